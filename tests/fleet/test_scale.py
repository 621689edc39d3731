"""Any number of each process: they share the work, and none of it is lost or doubled."""

from contextlib import ExitStack
from typing import Any

import psutil

from journal.streams import GROUP, Kind, stream
from ops.local.ports import free_port
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors, all_doors

ACKS = 15_000
WORKERS = ("worker", "worker_two", "worker_three")


def test_many_of_each_share_the_work_and_lose_or_double_nothing(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    ask = all_doors(campaign["tracking_id"], fleet.key(campaign["user_id"]))
    aside = free_port()

    with ExitStack() as stack:
        stack.enter_context(
            fleet.joined_by(
                ingest_two=("ingest",),  # on the same port
                ingest_three=("ingest", "--port", str(aside)),
                worker_two=("worker", "clicks"),
                worker_three=("worker", "clicks", "conversions"),
                scheduler_two=("scheduler",),
            )
        )
        crowds = [
            stack.enter_context(Visitors(port, ask, connections=16)) for port in (fleet.port, aside)
        ]
        _acked(crowds, 1_000)
        served = [_served(fleet, name, fleet.port) for name in ("ingest", "ingest_two")]
        with fleet.rows_blocked():  # a backlog, so that there is something to share
            _acked(crowds, sum(len(each.acked) for each in crowds) + 5_000)
        _acked(crowds, ACKS)
        for crowd in crowds:
            crowd.stop()
        fleet.until_drained()
        shares = [_has_claimed(fleet, name) for name in WORKERS]

    stored = fleet.stored(campaign["user_id"])
    assert all(served)
    assert all(shares)
    assert [len(crowd.unanswered) + crowd.turned_away for crowd in crowds] == [0, 0]
    assert sorted(stored) == sorted([*crowds[0].acked, *crowds[1].acked])
    assert fleet.dead(campaign["user_id"]) == []


def test_chores_of_schedulers_that_start_together_do_one_anothers_no_harm(fleet: Fleet) -> None:
    made = _partitions(fleet)
    fleet.kill("scheduler")
    before = len(fleet.programs["scheduler"].said(0))
    for name in made[-4:]:
        fleet.sql(f"DROP TABLE {name}")

    with fleet.joined_by(scheduler_two=("scheduler",), scheduler_three=("scheduler",)):
        fleet.start("scheduler")
        until(lambda: _partitions(fleet) == made, 10, "what was missing is made again")
        click = fleet.click(fleet.campaign()["tracking_id"])
        fleet.until_drained()
        said = fleet.programs["scheduler"].said(before)
        said += "".join(fleet.programs[f"scheduler_{each}"].said(0) for each in ("two", "three"))

    assert click.click_id is not None
    assert said.count("partitions.made") == 1
    assert "chore." not in said


def _acked(crowds: list[Visitors], wanted: int) -> None:
    until(lambda: sum(len(each.acked) for each in crowds) >= wanted, 60, f"{wanted} acks")


def _served(fleet: Fleet, name: str, port: int) -> int:
    """Visitors connected to this door now."""
    connections = psutil.Process(fleet.pid(name)).net_connections("tcp")
    return sum(each.status == "ESTABLISHED" and each.laddr.port == port for each in connections)


def _has_claimed(fleet: Fleet, name: str) -> bool:
    """Whether this worker was ever given a batch of clicks."""
    with fleet.journal() as connection:
        consumers: Any = connection.xinfo_consumers(stream(Kind.CLICKS), GROUP)
    return any(
        f"-{fleet.pid(name)}-" in each["name"].decode() and each["inactive"] >= 0
        for each in consumers
    )


def _partitions(fleet: Fleet) -> list[str]:
    """Those of the ledger, the last days last."""
    return sorted(
        row[0]
        for row in fleet.sql(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger'::regclass"
        )
    )
