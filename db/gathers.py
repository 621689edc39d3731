"""Gathers: facts that wait to fire a workflow together."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, Json, Str255
from db.work import WorkRow

_STATES = "state IN ('pending', 'running', 'done', 'dead')"


class WorkflowGather(WorkRow, Base):
    """Events that wait to fire a workflow together: debounced, throttled, or in batches."""

    __tablename__ = "workflow_gathers"
    __table_args__ = (
        CheckConstraint(_STATES, name="state"),
        UniqueConstraint("workflow_id", "key"),
        Index(
            "idx_workflow_gathers_due", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("idx_workflow_gathers_state", "state"),
    )  # fmt: skip

    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    key: Mapped[Str255] = mapped_column(server_default="")
    number: Mapped[int] = mapped_column(server_default=text("0"))
    events: Mapped[Json] = mapped_column(server_default=text("'[]'"))
    first_at: Mapped[At | None]
    fired_at: Mapped[At | None]


class Kept(NamedTuple):
    """What is gathered under one key of a workflow, as its row has it."""

    id: int
    workflow_id: UUID
    key: str
    number: int
    events: list[Any]
    first_at: datetime | None
    fired_at: datetime | None


_KEPT = ", ".join(f"g.{name}" for name in Kept._fields)


def hold(tx: Tx, keys: Iterable[tuple[UUID, str]]) -> list[Kept]:
    """The gathers of (workflow, key), made where there were none; ours until we commit.

    Everybody takes them in the same order.
    """
    wanted = sorted(keys)
    values = ([one[0] for one in wanted], [one[1] for one in wanted])
    tx.execute(
        "INSERT INTO workflow_gathers (workflow_id, key, state)"
        " SELECT *, 'done' FROM unnest(%s::uuid[], %s::varchar[]) ON CONFLICT DO NOTHING",
        values,
    )
    rows = tx.execute(
        f"SELECT {_KEPT} FROM unnest(%s::uuid[], %s::varchar[]) AS told (workflow_id, key)"
        " JOIN workflow_gathers g ON g.workflow_id = told.workflow_id AND g.key = told.key"
        " ORDER BY g.workflow_id, g.key FOR NO KEY UPDATE OF g",
        values,
    )
    return [Kept(*row) for row in rows]


def claim(tx: Tx, limit: int) -> list[Kept]:
    """Gathers whose time has come; ours until we commit."""
    rows = tx.execute(
        f"SELECT {_KEPT} FROM workflow_gathers g WHERE state = 'pending'"
        " AND next_attempt_at <= statement_timestamp() ORDER BY next_attempt_at, id LIMIT %s"
        " FOR NO KEY UPDATE SKIP LOCKED",
        (limit,),
    )
    return [Kept(*row) for row in rows]


def keep(tx: Tx, kept: Iterable[tuple[Kept, datetime | None]]) -> None:
    """Write gathers that we hold, each with when it is due; None when nothing waits in it."""
    rows = [
        {**one._asdict(), "due_at": due_at, "events": one.events, "workflow_id": None}
        for one, due_at in kept
    ]
    if rows:
        tx.execute(
            "UPDATE workflow_gathers AS g SET number = told.number, events = told.events,"
            " first_at = told.first_at, fired_at = told.fired_at,"
            " state = CASE WHEN told.due_at IS NULL THEN 'done' ELSE 'pending' END,"
            " next_attempt_at = coalesce(told.due_at, g.next_attempt_at)"
            " FROM jsonb_to_recordset(%s::jsonb) AS told (id bigint, number int, events jsonb,"
            "  first_at timestamptz, fired_at timestamptz, due_at timestamptz)"
            " WHERE g.id = told.id",
            (orjson.dumps(rows).decode(),),
        )


def prune(tx: Tx, older_than_days: int, limit: int) -> int:
    """Delete gathers in which nothing has waited for so long; returns how many."""
    done = tx.execute(
        "DELETE FROM workflow_gathers WHERE id IN (SELECT id FROM workflow_gathers"
        "  WHERE state = 'done' AND next_attempt_at < statement_timestamp()"
        "   - make_interval(days => %(days)s) AND (fired_at IS NULL"
        "   OR fired_at < statement_timestamp() - make_interval(days => %(days)s))"
        "  LIMIT %(limit)s FOR UPDATE SKIP LOCKED)",
        {"days": older_than_days, "limit": limit},
    )
    return done.rowcount
