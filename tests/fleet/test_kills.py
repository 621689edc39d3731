"""Whatever is killed, whenever: what was acked is stored, and stored once."""

import pytest

from tests.fleet.fleet import STORES, Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors, all_doors

# A worker's claims are taken over after ten seconds, so it goes first.
VICTIMS = ("worker", "scheduler", "ingest", "journal", "postgres")
_PROGRESS = 500  # acks between one misfortune and the next step


# At full speed; at a walking pace every part is killed in test_supervised.py.
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("events", "rounds"), [(100_000, 1), (1_000_000, 4)])
def test_acked_is_stored_once_whatever_is_killed(fleet: Fleet, events: int, rounds: int) -> None:
    campaign = fleet.campaign()
    user = campaign["user_id"]
    ask = all_doors(campaign["tracking_id"], fleet.key(user))

    with Visitors(fleet.port, ask) as visitors:
        for victim in VICTIMS * rounds:
            _kill_with_a_batch_in_flight(fleet, victim, visitors)
        until(lambda: len(visitors.acked) >= events, 1200, f"{events} acks")
    fleet.until_drained(60)

    rows = fleet.sql(
        "SELECT metadata->>'click_id', (metadata->>'sub1')::int FROM analytics_events"
        " WHERE user_id = %s", user,
    )  # fmt: skip
    stored: dict[str, int] = dict(rows)
    assert visitors.acked_twice == set()
    assert visitors.acked.items() - stored.items() == set()
    assert len(rows) == len(stored) == len(set(stored.values()))
    assert {stored[extra] for extra in stored.keys() - visitors.acked} <= visitors.unanswered
    assert fleet.dead() == []


def _kill_with_a_batch_in_flight(fleet: Fleet, victim: str, visitors: Visitors) -> None:
    """Kill it while it has something to lose, see life go on without it, and start it again."""
    for _ in range(20):
        until(lambda: visitors.in_flight and fleet.claimed(), 30, "something is in flight")
        pid, unanswered = fleet.pid(victim), len(visitors.unanswered)
        fleet.kill(victim)
        lost = _had_something(fleet, victim, pid) or len(visitors.unanswered) > unanswered
        if victim != "ingest":
            _go_on(visitors, f"acks without {victim}")
        fleet.start(victim)
        if victim in STORES:
            fleet.until_ready()
        _go_on(visitors, f"acks after {victim} came back")
        if lost:
            return
    raise AssertionError(f"{victim} never had anything in flight when it was killed")


def _had_something(fleet: Fleet, victim: str, pid: int) -> bool:
    """Whether batches lie claimed now that it is dead, so that nobody finished them before."""
    if victim == "journal":
        return True  # it was asked the moment before; a door or a worker was waiting for it
    return fleet.claimed(pid if victim == "worker" else None) > 0 and victim != "ingest"


def _go_on(visitors: Visitors, what: str) -> None:
    wanted = len(visitors.acked) + _PROGRESS
    until(lambda: len(visitors.acked) >= wanted, 15, what)
