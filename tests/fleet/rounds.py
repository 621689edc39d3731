"""Rounds: a fault strikes while work is in flight, and what that cost is measured."""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import psycopg

from base.clock import sleep, steady
from tests.fleet.faults import Fault
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.traffic import Traffic, number_of

RECOVERY_SECONDS = 10  # on a machine whose cores are ours
_TRIES = 10
_LOOK_SECONDS = 0.02


class Round(NamedTuple):
    """How long it took until new work flowed again, in seconds from the kill or the fault's end."""

    acks_seconds: float
    rows_seconds: float


class Report(NamedTuple):
    """One line of the table that a long run prints."""

    fault: str
    rounds: list[Round]
    acked: int
    lost: int
    twice: int

    def line(self) -> str:
        """Fault, times, recovery of acks and of rows (median and most), and the oracle's sums."""
        acks = [each.acks_seconds for each in self.rounds]
        rows = [each.rows_seconds for each in self.rounds]
        return (
            f"{self.fault:<28} {len(self.rounds):>5} {statistics.median(acks):>7.2f}"
            f" {max(acks):>7.2f} {statistics.median(rows):>7.2f} {max(rows):>7.2f}"
            f" {self.acked:>9} {self.lost:>5} {self.twice:>5}"
        )


HEAD = (
    f"{'fault':<28} {'times':>5} {'acks':>7} {'most':>7} {'rows':>7} {'most':>7}"
    f" {'acked':>9} {'lost':>5} {'twice':>5}"
)


def suffer(fleet: Fleet, fault: Fault, traffic: Traffic, seconds: float) -> Round:
    """One round with something in flight; fails when life does not go on."""
    for attempt in range(_TRIES):
        unanswered = len(traffic.unanswered)
        found = _one(fleet, fault, traffic, seconds, inside=fault.inside and attempt % 2 == 0)
        # A door is asked all the time, and yet may die between two requests.
        if "-9 ingest" not in fault.name or len(traffic.unanswered) > unanswered:
            return found
    raise AssertionError(f"{fault.name}: nobody was ever waiting for an answer")


def _one(fleet: Fleet, fault: Fault, traffic: Traffic, seconds: float, *, inside: bool) -> Round:
    with ExitStack() as ends:
        with _in_flight(fleet, traffic, inside=inside):
            asked, began = traffic.asked, steady()
            ends.enter_context(fault.strike(fleet, traffic))
        if fault.acks:
            until(lambda: traffic.newest > asked, 10, f"{fault.name}: acks go on")
        if fault.rows:
            until(lambda: newest_row(fleet, traffic) > asked, 10, f"{fault.name}: rows go on")
        sleep(max(0.0, began + seconds - steady()))  # so long it lasts
        if seconds:
            asked, began = traffic.asked, steady()
    until(lambda: traffic.newest > asked, RECOVERY_SECONDS, f"acks after {fault.name}")
    acks_seconds = steady() - began
    left = RECOVERY_SECONDS - acks_seconds
    until(lambda: newest_row(fleet, traffic) > asked, left, f"rows after {fault.name}")
    return Round(acks_seconds, steady() - began)


@contextmanager
def _in_flight(fleet: Fleet, traffic: Traffic, *, inside: bool) -> Iterator[None]:
    """A moment when a door owes answers and a worker holds batches; `inside` its transaction."""
    if not inside:
        until(lambda: traffic.in_flight and fleet.claimed(), 30, "something is in flight")
        yield
        return
    session = fleet.connect()
    try:
        session.execute("BEGIN")
        session.execute("LOCK TABLE analytics_events IN SHARE MODE")
        until(lambda: fleet.blocked_writers("worker"), 10, "a worker is inside its transaction")
        until(lambda: traffic.in_flight, 10, "a door owes an answer")
        assert fleet.claimed()
        yield
    finally:
        session.close()


def newest_row(fleet: Fleet, traffic: Traffic) -> int:
    """The number of the newest stored event's request; 0 when PostgreSQL cannot say."""
    sleep(_LOOK_SECONDS)  # a new session each: not more of them than needed
    try:
        rows = fleet.sql(
            "SELECT metadata->>'sub1' FROM analytics_events WHERE user_id = ANY(%s)"
            " ORDER BY created_at DESC LIMIT 1", [owner.user_id for owner in traffic.owners],
        )  # fmt: skip
    except psycopg.OperationalError:
        return 0
    return number_of(rows[0][0]) if rows else 0
