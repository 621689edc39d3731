"""Runs: one execution of a workflow, due at a time or because of an event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, At, Base, CreatedAt, Json, Long, Str20, Str50, Str64, Str100, Str255, Word
from db.work import NEVER, WorkRow

_STATES = "state IN ('pending', 'running', 'done', 'dead')"


class WorkflowRun(WorkRow, Base):
    """One run, for as long as runs are kept; one per workflow, due time and cause.

    `cause` is empty for a scheduled time, else what tells two runs of one moment apart. A run
    that is `ready` may be claimed; one that waits for its time or an event is not, and one that
    is `queued` waits for the run before it. `version` is the definition it keeps to. `input` is
    what its trigger gave it. `depth` counts the workflows and events it is the consequence of,
    `losses` the workers that did not come back from it.
    """

    __tablename__ = "workflow_runs"
    due_when = "ready"
    __table_args__ = (
        CheckConstraint(_STATES, name="state"),
        UniqueConstraint("workflow_id", "due_at", "cause"),
        Index(
            "idx_workflow_runs_ready", "user_id", "id",
            postgresql_where=text("state = 'pending' AND ready"),
        ),
        Index(
            "idx_workflow_runs_waiting", "next_attempt_at",
            postgresql_where=text("state = 'pending' AND NOT ready"),
        ),
        Index(
            "idx_workflow_runs_active", "workflow_id",
            postgresql_where=text("state IN ('pending', 'running')"),
        ),
        Index(
            "idx_workflow_runs_queued",
            "workflow_id",
            postgresql_where=text("state = 'pending' AND queued"),
        ),
        Index(
            "idx_workflow_runs_leases", "lease_until",
            postgresql_where=text("state = 'running'"),
        ),
        Index("idx_workflow_runs_dead", "id", postgresql_where=text("state = 'dead'")),
        Index(
            "idx_workflow_runs_ended_at", "ended_at",
            postgresql_where=text("ended_at IS NOT NULL"),
        ),
    )  # fmt: skip

    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    version: Mapped[int]
    trigger: Mapped[Str20]
    due_at: Mapped[At] = mapped_column(server_default=NOW)
    cause: Mapped[Str255] = mapped_column(server_default="")
    ready: Mapped[bool] = mapped_column(server_default=text("true"))
    queued: Mapped[bool] = mapped_column(server_default=text("false"))
    campaign_id: Mapped[UUID | None]
    input: Mapped[Json | None]
    depth: Mapped[int] = mapped_column(server_default=text("0"))
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    cancel: Mapped[bool] = mapped_column(server_default=text("false"))
    losses: Mapped[int] = mapped_column(server_default=text("0"))
    started_at: Mapped[At | None]
    ended_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]


class WorkflowStep(Base):
    """A step of a run: what went in, what came out; `key` is the same in every attempt."""

    __tablename__ = "workflow_steps"
    __table_args__ = (CheckConstraint(_STATES, name="state"),)

    run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True
    )
    path: Mapped[Str100] = mapped_column(primary_key=True)
    name: Mapped[Str255]
    action: Mapped[Str50]
    state: Mapped[Word]
    outcome: Mapped[Word | None]
    attempt: Mapped[int] = mapped_column(server_default=text("1"))
    key: Mapped[Str64]
    input: Mapped[Json | None]
    output: Mapped[Json | None]
    error: Mapped[Long | None]
    started_at: Mapped[At] = mapped_column(server_default=NOW)
    ended_at: Mapped[At | None]


class WorkflowWait(Base):
    """A run that waits for an event of its user."""

    __tablename__ = "workflow_waits"
    __table_args__ = (Index("idx_workflow_waits_kind", "kind", "user_id"),)

    run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True
    )
    path: Mapped[Str100]
    user_id: Mapped[UUID]
    kind: Mapped[Str50]
    filter: Mapped[Json] = mapped_column(server_default=text("'[]'"))
    created_at: Mapped[CreatedAt]


class NewRun(NamedTuple):
    """A run to be added; ids as text or UUID, `input` as JSON values.

    Without `starts_at` it may be claimed at once. One that is over before it began has its
    `state`, `outcome` and `reason`.
    """

    workflow_id: UUID | str
    user_id: UUID | str
    version: int
    trigger: str
    due_at: datetime | None = None  # the transaction's time
    cause: str = ""
    campaign_id: UUID | str | None = None
    input: Any = None
    depth: int = 0
    parent_id: int | None = None
    starts_at: datetime | None = None
    queued: bool = False
    state: str = "pending"
    outcome: str | None = None
    reason: str | None = None


_FIELDS = """workflow_id uuid, user_id uuid, version int, trigger text, due_at timestamptz,
    cause text, campaign_id uuid, input jsonb, depth int, parent_id bigint, starts_at timestamptz,
    queued bool, state text, outcome text, reason text"""


def add(tx: Tx, rows: Sequence[NewRun]) -> list[int]:
    """Add runs, one per workflow, due time and cause; returns the ids of those that are new."""
    if not rows:
        return []
    found = tx.execute(
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, due_at, cause,"
        " campaign_id, input, depth, parent_id, ready, queued, next_attempt_at, state, outcome,"
        " reason, ended_at)"
        " SELECT workflow_id, user_id, version, trigger, coalesce(due_at, now()), cause,"
        " campaign_id, nullif(input, 'null'), depth, parent_id, starts_at IS NULL AND NOT queued,"
        " queued, CASE WHEN queued THEN %s ELSE coalesce(starts_at, now()) END, state, outcome,"
        " reason, CASE WHEN state = 'pending' THEN NULL ELSE now() END"
        f" FROM jsonb_to_recordset(%s::jsonb) AS r ({_FIELDS})"
        " ON CONFLICT (workflow_id, due_at, cause) DO NOTHING RETURNING id",
        (NEVER, orjson.dumps([row._asdict() for row in rows], default=str).decode()),
    )
    return [row[0] for row in found]


def step_ended(
    tx: Tx,
    run_id: int,
    path: str,
    *,
    state: str,
    outcome: str | None,
    output: Any,
    error: str | None,
    attempt: int,
) -> bool:
    """A step that ran elsewhere is over: its run goes on; False when nobody waits for it."""
    done = tx.execute(
        "UPDATE workflow_steps SET state = %s, outcome = %s, output = %s::jsonb, error = %s,"
        " attempt = %s, ended_at = clock_timestamp()"
        " WHERE run_id = %s AND path = %s AND state IN ('pending', 'running')",
        (
            state, outcome, None if output is None else orjson.dumps(output).decode(), error,
            attempt, run_id, path,
        ),
    )  # fmt: skip
    if done.rowcount:
        wake(tx, [run_id])
    return bool(done.rowcount)


class StepEnd(NamedTuple):
    """How a step that ran elsewhere ended; `output` as JSON values."""

    run_id: int
    path: str
    state: str
    outcome: str | None
    output: Any
    error: str | None
    attempt: int


_STEPS_ENDED = """
    UPDATE workflow_steps AS s SET state = t.state, outcome = t.outcome, error = t.error,
        output = nullif(t.output, 'null'), attempt = t.attempt, ended_at = clock_timestamp()
    FROM jsonb_to_recordset(%s::jsonb) AS t (run_id bigint, path text, state text, outcome text,
        output jsonb, error text, attempt int)
    WHERE s.run_id = t.run_id AND s.path = t.path AND s.state IN ('pending', 'running')
    RETURNING s.run_id
"""


def steps_ended(tx: Tx, ends: Sequence[StepEnd]) -> None:
    """As `step_ended`, for many."""
    told = orjson.dumps([end._asdict() for end in ends]).decode()
    if found := [row[0] for row in tx.execute(_STEPS_ENDED, (told,))]:
        wake(tx, found)


def wake(tx: Tx, run_ids: Sequence[int]) -> int:
    """Runs that wait may be claimed at once; returns how many there were."""
    done = tx.execute(
        "UPDATE workflow_runs SET ready = true, next_attempt_at = clock_timestamp()"
        " WHERE id = ANY(%s) AND state = 'pending' AND NOT ready",
        (list(run_ids),),
    )
    return done.rowcount
