"""A rolling restart of everything under load: no visitor notices, no event is lost or doubled."""

from contextlib import ExitStack
from functools import partial

import pytest

from tests.fleet.fleet import STORES, Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Ask, Visitors, all_doors

TURNS = ("ingest", "ingest_two", "worker", "worker_two", "scheduler", *STORES)
_STOP_SECONDS = 6.0
PAUSE_SECONDS = 0.03
_PROGRESS = 200


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(10, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_no_visitor_notices_a_rolling_restart(fleet: Fleet, rounds: int) -> None:
    campaign = fleet.campaign()
    ask = all_doors(campaign["tracking_id"], fleet.key(campaign["user_id"]))

    with ExitStack() as stack:
        stack.enter_context(
            fleet.joined_by(
                ingest_two=("ingest",),
                worker_two=("worker", "clicks", "conversions"),
            )
        )
        # Some stay connected for as long as they may, some come anew for each click.
        regulars = stack.enter_context(
            Visitors(fleet.port, ask, connections=16, pause_seconds=PAUSE_SECONDS)
        )
        newcomers = stack.enter_context(
            Visitors(fleet.port, _once(ask), connections=8, pause_seconds=PAUSE_SECONDS)
        )
        _go_on(regulars, newcomers)
        for name in TURNS * rounds:
            _restart(fleet, name)
            _go_on(regulars, newcomers)
        regulars.stop()
        newcomers.stop()
        fleet.until_drained()

    assert regulars.refused + newcomers.refused == {}
    assert (regulars.unanswered, newcomers.unanswered) == (set(), set())
    assert (regulars.turned_away, newcomers.turned_away) == (0, 0)
    assert sorted(fleet.stored(campaign["user_id"])) == sorted([*regulars.acked, *newcomers.acked])
    assert fleet.dead(campaign["user_id"]) == []


def _once(ask: Ask) -> Ask:
    """The same requests, each the last on its connection."""
    return lambda number: ask(number).replace(b"Host: t\r\n", b"Host: t\r\nConnection: close\r\n")


def _restart(fleet: Fleet, name: str) -> None:
    """As an operator does: told to stop, waited for, started again, seen ready."""
    if name in STORES:
        fleet.stores[name].stop(_STOP_SECONDS)
    else:
        fleet.programs[name].terminate(_STOP_SECONDS)
    fleet.start(name)
    fleet.until_ready()


def _go_on(*crowds: Visitors) -> None:
    for crowd in crowds:
        wanted = len(crowd.acked) + _PROGRESS
        until(partial(_has, crowd, wanted), 15, "acks go on")


def _has(crowd: Visitors, wanted: int) -> bool:
    return len(crowd.acked) >= wanted
