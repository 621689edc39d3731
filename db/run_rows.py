"""Rows of runs as people look at them: listed, with their steps, calls and what they wait for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from db.connection import Tx

_MOST_ID = 9_223_372_036_854_775_807


class RunRow(NamedTuple):
    """A run; `waits_for` is the kind of event it waits for."""

    id: int
    workflow_id: UUID
    user_id: UUID
    version: int
    trigger: str
    due_at: datetime
    cause: str
    state: str
    outcome: str | None
    reason: str | None
    last_error: str | None
    ready: bool
    queued: bool
    cancel: bool
    next_attempt_at: datetime
    campaign_id: UUID | None
    input: Any
    depth: int
    parent_id: int | None
    started_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    waits_for: str | None


class StepRow(NamedTuple):
    """A step of a run."""

    run_id: int
    path: str
    name: str
    action: str
    state: str
    outcome: str | None
    attempt: int
    key: str
    input: Any
    output: Any
    error: str | None
    started_at: datetime
    ended_at: datetime | None

    @property
    def place(self) -> tuple[tuple[int, int, str], ...]:
        """Where it stands: steps in their order, what is done on errors behind them."""
        return tuple(
            (0, int(part), "") if part.isdigit() else (part == "on_error", 0, part)
            for part in self.path.split(".")
        )


class TryRow(NamedTuple):
    """One try of a call to the outside."""

    path: str | None
    attempt: int
    outcome: str | None
    status: int | None
    milliseconds: int | None
    said: str | None
    created_at: datetime
    ended_at: datetime | None
    next_attempt_at: datetime | None  # of the call, while it is owed


_SELECT = """
    SELECT r.id, r.workflow_id, r.user_id, r.version, r.trigger, r.due_at, r.cause, r.state,
        r.outcome, r.reason, r.last_error, r.ready, r.queued, r.cancel, r.next_attempt_at,
        r.campaign_id, r.input, r.depth, r.parent_id, r.started_at, r.ended_at, r.created_at,
        w.kind AS waits_for
    FROM workflow_runs r LEFT JOIN workflow_waits w ON w.run_id = r.id
"""


def _rows(tx: Tx, rest: str, values: dict[str, Any]) -> list[RunRow]:
    with tx.cursor(row_factory=class_row(RunRow)) as cursor:
        return cursor.execute(_SELECT + rest, values).fetchall()


class Which(NamedTuple):
    """Which runs are wanted; None wants all."""

    workflow_id: UUID | None = None
    user_id: UUID | None = None
    since: datetime | None = None  # due at this moment or later
    failed: bool = False


_WHERE = (
    "WHERE (%(workflow_id)s::uuid IS NULL OR r.workflow_id = %(workflow_id)s)"
    " AND (%(user_id)s::uuid IS NULL OR r.user_id = %(user_id)s)"
    " AND (%(since)s::timestamptz IS NULL OR r.due_at >= %(since)s)"
    " AND (NOT %(failed)s OR r.state = 'dead')"
)


def page(tx: Tx, which: Which, limit: int, before: int | None = None) -> list[RunRow]:
    """Runs, newest first; pass the last one's id as `before` for the next page."""
    return _rows(
        tx,
        f"{_WHERE} AND r.id < %(before)s ORDER BY r.id DESC LIMIT %(limit)s",
        {**which._asdict(), "before": _MOST_ID if before is None else before, "limit": limit},
    )


def count(tx: Tx, which: Which) -> int:
    """How many there are."""
    row = tx.execute(f"SELECT count(*) FROM workflow_runs r {_WHERE}", which._asdict()).fetchone()
    return int(row[0]) if row else 0


def find(tx: Tx, run_id: int) -> RunRow | None:
    """One run."""
    found = _rows(tx, "WHERE r.id = %(id)s", {"id": run_id})
    return found[0] if found else None


def children(tx: Tx, run_id: int, limit: int) -> list[RunRow]:
    """Runs that this one has added, the oldest first."""
    return _rows(
        tx,
        "WHERE r.parent_id = %(id)s ORDER BY r.id LIMIT %(limit)s",
        {"id": run_id, "limit": limit},
    )


def steps(tx: Tx, run_ids: Sequence[int]) -> dict[int, list[StepRow]]:
    """The steps of runs, in their order."""
    found: dict[int, list[StepRow]] = {}
    with tx.cursor(row_factory=class_row(StepRow)) as cursor:
        rows = cursor.execute(
            "SELECT run_id, path, name, action, state, outcome, attempt, key, input, output, error,"
            " started_at, ended_at FROM workflow_steps WHERE run_id = ANY(%s)",
            (list(run_ids),),
        )
        for row in sorted(rows, key=lambda row: row.place):
            found.setdefault(row.run_id, []).append(row)
    return found


def tries(tx: Tx, run_id: int) -> list[TryRow]:
    """The tries of a run's calls to the outside, in their order."""
    with tx.cursor(row_factory=class_row(TryRow)) as cursor:
        return cursor.execute(
            "SELECT c.path, a.attempt, a.outcome, a.status, a.milliseconds, a.said, a.created_at,"
            " a.ended_at,"
            " CASE WHEN c.state = 'pending' THEN c.next_attempt_at END AS next_attempt_at"
            " FROM call_attempts a JOIN calls c ON c.id = a.call_id WHERE c.run_id = %s"
            " ORDER BY a.id",
            (run_id,),
        ).fetchall()


def cancel(tx: Tx, run_id: int) -> bool:
    """Ask a run to end, also one that waits; False when it has ended."""
    done = tx.execute(
        "UPDATE workflow_runs SET cancel = true, ready = true, queued = false,"
        " next_attempt_at = clock_timestamp()"
        " WHERE id = %s AND state IN ('pending', 'running')",
        (run_id,),
    )
    return done.rowcount == 1
