"""Firing: due workflows become runs and get their next time, many in one transaction."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import orjson

from base.clock import steady
from db import due, runs
from db.connection import Tx
from db.due import Due, Fired
from db.runs import NewRun
from rules import schedules
from rules.schedules import NoNextTime, Plan
from schemas import triggers
from schemas.triggers import Malformed, Scheduled, Trigger
from workers.workflows.overlaps import bounded

BATCH = 2_000
SECONDS = 2.0  # then what was claimed and not looked at is left to the next transaction
IDLE_ACCOUNTS = frozenset({"suspended", "canceled"})  # their runs are recorded, and skipped
_OVER = "Its schedule is over: give it another time, then enable it again."


@lru_cache(20_000)
def trigger_of(trigger_type: str, config: str | None) -> Trigger:
    """A trigger from its columns, JSON as text; raises `Malformed`."""
    return triggers.read(trigger_type, orjson.loads(config) if config is not None else None)


class _Batch:
    """What one transaction is going to write."""

    def __init__(self) -> None:
        self.fired: list[Fired] = []
        self.runs: list[NewRun] = []
        self.advanced: list[tuple[str, datetime | None, bool]] = []
        self.problems: list[tuple[str, str]] = []
        self.cancelled: list[str] = []

    def write(self, tx: Tx) -> None:
        due.cancel_before(tx, self.cancelled) if self.cancelled else None
        due.fire(tx, self.fired)
        runs.add(tx, bounded(tx, self.runs))
        due.advance(tx, self.advanced)
        due.pause(tx, self.problems)


def fire(tx: Tx, limit: int = BATCH) -> int:
    """Fire what is due, the longest waiting first; of how many workflows.

    Times that were missed may be many, and different for each: what takes too long for one
    transaction would otherwise never be committed.
    """
    found, now = due.claim(tx, limit)
    if not found:
        return 0
    batch, ends = _Batch(), steady() + SECONDS
    for at, row in enumerate(found):
        if at and steady() > ends:
            found = found[:at]
            break
        try:
            _take(batch, row, now)
        except (Malformed, NoNextTime) as error:
            batch.problems.append((row.id, str(error)))
        except (ValueError, OverflowError, ArithmeticError) as error:
            batch.problems.append((row.id, f"Its next time cannot be computed: {error}"))
    batch.write(tx)
    return len(found)


class _Settings(NamedTuple):
    """What of a trigger matters when it fires."""

    plan: Plan
    overlap: str
    jitter_seconds: float


@lru_cache(20_000)
def _planned(trigger_type: str, config: str | None, at: datetime, second: datetime) -> _Settings:
    """What is due from `at` to `second`; the same for all that share a definition and a time."""
    trigger = trigger_of(trigger_type, config)
    if isinstance(trigger, Scheduled):
        plan = schedules.plan(trigger, at, second)
        return _Settings(plan, trigger.overlap, trigger.jitter_seconds)
    # A next time that somebody set by hand on a workflow that has no schedule.
    return _Settings(Plan([at], [], 0, None), "allow", 0)


def _take(batch: _Batch, row: Due, now: datetime) -> None:
    # The whole second after which the due time lies: so that thousands share the arithmetic.
    second = max(row.at, now.replace(microsecond=0))
    found = _planned(row.trigger_type, row.config, row.at, second)
    plan = found.plan
    if row.account in IDLE_ACCOUNTS:
        _skip(batch, row, plan, "suspended")
    elif row.running is not None and found.overlap == "skip":
        _skip(batch, row, plan, f"overlap: run {row.running} has not ended")
    elif (
        plan.fire == [row.at]
        and not plan.missed
        and not found.jitter_seconds
        and (row.running is None or found.overlap == "allow")
        and plan.next is not None
    ):
        batch.fired.append(
            Fired(row.id, row.user_id, row.version, row.at.isoformat(), plan.next.isoformat())
        )
        return
    else:
        _fire(batch, row, found)
    _missed(batch, row, plan)
    if plan.next is None and row.trigger_type == "scheduled":
        batch.problems.append((row.id, _OVER))
    batch.advanced.append((row.id, plan.next, bool(plan.fire)))


def _fire(batch: _Batch, row: Due, found: _Settings) -> None:
    """One run for each due time; by the overlap policy one after the other, or only the last."""
    times = found.plan.fire
    if found.overlap == "cancel_previous" and times:
        if row.running is not None:
            batch.cancelled.append(row.id)
        _record(batch, row, times[:-1], "skipped", "overlap: a later run took its place")
        times = times[-1:]
    if found.overlap == "skip":
        _record(batch, row, times[:-1], "skipped", "overlap: it was due again before it began")
        times = times[-1:]
    for at, moment in enumerate(times):
        queued = found.overlap == "queue" and (row.running is not None or at > 0)
        starts_at = None
        if found.jitter_seconds:
            late = schedules.jitter(row.id, moment, found.jitter_seconds)
            starts_at = moment + timedelta(seconds=late)
        batch.runs.append(
            NewRun(
                row.id,
                row.user_id,
                row.version,
                "scheduled",
                moment,
                starts_at=starts_at,
                queued=queued,
            )
        )


def _skip(batch: _Batch, row: Due, plan: Plan, reason: str) -> None:
    _record(batch, row, plan.fire, "skipped", reason)


def _missed(batch: _Batch, row: Due, plan: Plan) -> None:
    _record(batch, row, plan.missed, "missed", "nothing was running at that time")
    if plan.more_missed and plan.missed:
        # One row speaks for those beyond what is listed; it stands at the last listed time.
        batch.runs.append(
            _ended(row, plan.missed[-1], "missed", f"and at least {plan.more_missed} more times")
            ._replace(cause="more")
        )  # fmt: skip


def _record(batch: _Batch, row: Due, times: list[datetime], outcome: str, reason: str) -> None:
    batch.runs.extend(_ended(row, moment, outcome, reason) for moment in times)


def _ended(row: Due, moment: datetime, outcome: str, reason: str) -> NewRun:
    return NewRun(
        row.id, row.user_id, row.version, "scheduled", moment,
        state="done", outcome=outcome, reason=reason,
    )  # fmt: skip
