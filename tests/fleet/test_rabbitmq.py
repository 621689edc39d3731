"""With RabbitMQ as broker everything is as before, and it may be late, die, forget and refuse."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests import rabbitmq
from tests.fleet.fleet import PROGRAMS, Fleet
from tests.fleet.program import ROOT, until
from tests.rabbitmq import Rabbit
from workers.queues import Queue

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif(rabbitmq.scripts() is None, reason="rabbitmq-server is not installed"),
]

VISIBLE_SECONDS = 3
BACK_SECONDS = 10  # from the broker's return until everything is a row
CONSUMED = ("clicks", "conversions", "maintenance")


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbit]:
    made = Rabbit()
    yield made
    made.end()


@pytest.fixture(scope="module")
def late(rabbit: Rabbit) -> Iterator[Fleet]:
    """A fleet whose broker is not there yet, and that has no HOPFLEET_REDIS_URL."""
    made = Fleet(broker_url=rabbit.url)
    yield made
    made.end()


@pytest.fixture
def fleet(late: Fleet, rabbit: Rabbit) -> Iterator[Fleet]:
    """That fleet at work; nothing of it ends, and no log holds the broker's password."""
    if not rabbit.runs():
        rabbit.start()
    until(lambda: all(rabbit.consumers(queue) > 0 for queue in CONSUMED), 15, "workers consume")
    pids = {name: late.pid(name) for name in PROGRAMS}
    yield late
    assert all(late.programs[name].running() for name in PROGRAMS)
    assert {name: late.pid(name) for name in PROGRAMS} == pids
    for name in PROGRAMS:
        assert rabbit.password not in late.programs[name].said(0)


def until_stored(fleet: Fleet, user: object, acked: list[str | None], seconds: float) -> None:
    """Wait until exactly these clicks are rows."""
    wanted = sorted(map(str, acked))
    until(lambda: sorted(fleet.stored(user)) == wanted, seconds, "every click is a row")


def command(fleet: Fleet, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """A command of ours, in the fleet's environment."""
    changes = {f"HOPFLEET_{name.upper()}": value for name, value in settings.items()}
    environment = {**fleet._environment("command"), **changes}
    return subprocess.run(
        [sys.executable, "-m", "ops", *words], cwd=ROOT, env=environment,
        capture_output=True, text=True,
    )  # fmt: skip


def test_doors_open_without_their_broker_and_its_arrival_sets_all_going(
    late: Fleet, rabbit: Rabbit
) -> None:
    campaign = late.campaign()
    acked = [late.click(campaign["tracking_id"]).click_id for _ in range(5)]
    assert None not in acked
    until(lambda: late.programs["scheduler"].says("chore.postponed", 0), 5, "a sweep fails")

    rabbit.start()

    until_stored(late, campaign["user_id"], acked, BACK_SECONDS)
    assert late.programs["scheduler"].said(0).count("chore.postponed") == 1
    assert late.programs["ingest"].said(0).count("broker.away") == 1
    assert late.programs["worker"].said(0).count("connection error") <= 4 * 2  # its consumers
    assert all(late.programs[name].running() for name in PROGRAMS)


def test_a_click_is_a_row_at_once(fleet: Fleet) -> None:
    campaign = fleet.campaign()

    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]

    until_stored(fleet, campaign["user_id"], acked, VISIBLE_SECONDS)


def test_queues_deleted_under_working_consumers_are_made_again(
    fleet: Fleet, rabbit: Rabbit
) -> None:
    campaign = fleet.campaign()
    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(5)]

    rabbit.delete(*(f"{queue}{end}" for queue in Queue for end in ("", ".DQ", ".XQ")))
    acked += [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]

    until_stored(fleet, campaign["user_id"], acked, BACK_SECONDS)
    until(lambda: all(rabbit.consumers(queue) > 0 for queue in CONSUMED), 10, "workers consume")
    click_id = fleet.click(campaign["tracking_id"]).click_id
    until_stored(fleet, campaign["user_id"], [*acked, click_id], VISIBLE_SECONDS)


def test_a_killed_rabbitmq_costs_seconds_and_no_event(fleet: Fleet, rabbit: Rabbit) -> None:
    campaign = fleet.campaign()
    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(5)]

    rabbit.kill()
    acked += [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]
    rabbit.start()

    until_stored(fleet, campaign["user_id"], acked, BACK_SECONDS)
    assert None not in acked
    assert fleet.dead(campaign["user_id"]) == []


@pytest.mark.long
def test_a_rabbitmq_that_comes_back_with_nothing_is_filled_again(
    fleet: Fleet, rabbit: Rabbit
) -> None:
    campaign = fleet.campaign()

    rabbit.kill()
    rabbit.forget()
    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]
    rabbit.start()

    until_stored(fleet, campaign["user_id"], acked, BACK_SECONDS)


def test_a_rabbitmq_short_of_memory_refuses_nudges_and_loses_no_event(
    fleet: Fleet, rabbit: Rabbit
) -> None:
    campaign = fleet.campaign()
    acked = [fleet.click(campaign["tracking_id"]).click_id]
    until_stored(fleet, campaign["user_id"], acked, VISIBLE_SECONDS)
    since = len(fleet.programs["ingest"].said(0))

    def refused() -> bool:
        acked.append(fleet.click(campaign["tracking_id"]).click_id)
        return fleet.programs["ingest"].says("broker.away", since)

    rabbit.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        until(refused, 15, "a nudge is refused")
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")

    until_stored(fleet, campaign["user_id"], acked, BACK_SECONDS)
    assert None not in acked


def test_a_worker_told_to_stop_ends_in_seconds_and_its_nudges_go_to_the_next(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(5)]
    fleet.start("relief")

    took = fleet.programs["relief"].terminate()
    acked += [fleet.click(campaign["tracking_id"]).click_id for _ in range(5)]

    until_stored(fleet, campaign["user_id"], acked, VISIBLE_SECONDS)
    assert took < 6
    assert "Traceback" not in fleet.programs["relief"].said(0)


def test_doctor_and_queues_understand_a_rabbitmq(fleet: Fleet, rabbit: Rabbit) -> None:
    well = findings(command(fleet, "doctor", "--json").stdout)
    away = command(fleet, "doctor", "--json", broker_url="amqp://hop:s3cret@127.0.0.1:1/")
    refused = command(fleet, "doctor", "--json", broker_url=rabbit.url.replace("hop:", "hop:no"))
    queues = command(fleet, "queues", "--json")

    assert "RabbitMQ 3." in well["broker"]["says"]
    assert "8 of 8 queues" in well["broker"]["says"]
    assert [findings(one.stdout)["broker"]["status"] for one in (away, refused)] == ["broken"] * 2
    assert "s3cret" not in away.stdout + away.stderr
    assert rabbit.password not in refused.stdout + refused.stderr
    assert [row["queue"] for row in json.loads(queues.stdout)] == [str(queue) for queue in Queue]


def findings(said: str) -> dict[str, Mapping[str, str]]:
    """What doctor found, by what it looked at."""
    return {one["check"]: one for one in json.loads(said)["checks"]}
