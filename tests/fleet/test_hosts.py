"""Two hosts, one of them far from the stores, and the link between them cut and restored."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from base.clock import steady
from journal.spool import waiting_bytes
from journal.streams import GROUP, Kind, stream
from tests.fleet.far import far_host
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors, all_doors

CUT_SECONDS = 4
PAUSE_SECONDS = 0.02


@pytest.mark.parametrize(
    "cuts", [1, pytest.param(5, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_a_host_cut_off_from_the_stores_loses_and_doubles_nothing(fleet: Fleet, cuts: int) -> None:
    campaign = fleet.campaign()
    ask = all_doors(campaign["tracking_id"], fleet.key(campaign["user_id"]))

    with ExitStack() as stack:
        far, environment = stack.enter_context(far_host(fleet))
        stack.enter_context(
            fleet.joined_by(
                inside=far.inside,
                environment=environment,
                far_ingest=("ingest",),
                far_worker=("worker", "clicks", "conversions"),
                far_worker_two=("worker", "clicks", "conversions"),
            )
        )
        near, beyond = (
            stack.enter_context(
                Visitors(fleet.port, ask, host=host, connections=8, pause_seconds=PAUSE_SECONDS)
            )
            for host in ("127.0.0.1", far.public)
        )
        for _ in range(cuts):
            _go_on(near, beyond)
            far.cut()
            until(lambda: waiting_bytes(far.spool), 5, "the far door spools")
            until(partial(_past, steady() + CUT_SECONDS), CUT_SECONDS + 5, "it lasts a while")
            _go_on(near, beyond)
            far.restore()
            until(lambda: not waiting_bytes(far.spool), 30, "the far spool is handed over")
        _go_on(near, beyond)
        near.stop()
        beyond.stop()
        fleet.until_drained()
        until(lambda: not waiting_bytes(far.spool), 10, "nothing is left on the far host")
        fleet.until_drained()
        alike = _far_consumers(fleet)

    assert near.refused + beyond.refused == {}
    assert (near.unanswered, beyond.unanswered) == (set(), set())
    assert sorted(fleet.stored(campaign["user_id"])) == sorted([*near.acked, *beyond.acked])
    assert fleet.dead(campaign["user_id"]) == []
    assert len(alike) >= 2  # the same host's name, the same number of process: two names


def _past(end: float) -> bool:
    return steady() > end


def _far_consumers(fleet: Fleet) -> set[str]:
    """The names under which processes that are number 1 on their host claimed."""
    with fleet.journal() as connection:
        consumers: Any = connection.xinfo_consumers(stream(Kind.CLICKS), GROUP)
    names = [each["name"].decode() for each in consumers if each["inactive"] >= 0]
    return {name.rpartition("-")[0] for name in names if "-1-" in name}


def _go_on(*crowds: Visitors) -> None:
    wanted = [len(crowd.acked) + 300 for crowd in crowds]
    until(
        lambda: all(len(crowd.acked) >= at for crowd, at in zip(crowds, wanted, strict=True)),
        20, "both hosts' visitors go on",
    )  # fmt: skip
