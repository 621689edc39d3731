"""Workflow events: what happened that workflows wait for, until it was held against them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, At, Base, CreatedAt, Json, Str50, Str255
from db.work import WorkRow

_OF_PRODUCTS = (
    "product_changed", "gravity_crossed", "commission_changed", "product_vanished",
    "product_returned",
)  # fmt: skip
_STATES = "state IN ('pending', 'running', 'done', 'dead')"


class WorkflowEvent(WorkRow, Base):
    """Something of a user's that happened, written in the transaction that made it happen.

    `ref` names it (a click id, a receipt, a content's id); `workflow_id` is set where only one
    workflow is meant, by its hook. `depth` is that of the run that caused it, or 0.
    """

    __tablename__ = "workflow_events"
    __table_args__ = (
        CheckConstraint(_STATES, name="state"),
        Index(
            "idx_workflow_events_due", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("idx_workflow_events_state", "state"),
        Index(
            "idx_workflow_events_pending", "user_id", "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "idx_workflow_events_latest", "user_id", "kind", "id",
            postgresql_where=text("state = 'done'"),
        ),
    )  # fmt: skip

    kind: Mapped[Str50]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    workflow_id: Mapped[UUID | None]
    campaign_id: Mapped[UUID | None]
    ref: Mapped[Str255] = mapped_column(server_default="")
    data: Mapped[Json]
    depth: Mapped[int] = mapped_column(server_default=text("0"))
    occurred_at: Mapped[At] = mapped_column(server_default=NOW)
    created_at: Mapped[CreatedAt]


class Fact(NamedTuple):
    """Something to be told; ids as text, `data` as JSON."""

    kind: str
    user_id: str
    campaign_id: str | None
    ref: str
    data: str
    occurred_at: datetime
    workflow_id: str | None = None
    depth: int = 0


def is_heard(tx: Tx, kind: str) -> bool:
    """Whether anybody at all listens to a kind: a look at two small indexes."""
    row = tx.execute("SELECT hopfleet_listened(%s, NULL)", (kind,)).fetchone()
    return bool(row and row[0])


def listening(tx: Tx, kinds: Collection[str], user_ids: Collection[str]) -> set[tuple[str, str]]:
    """Which of these users listen to which of these kinds, as (kind, user id)."""
    rows = tx.execute(
        "SELECT listens, user_id::text FROM workflow_states"
        " WHERE listens = ANY(%(kinds)s::varchar[]) AND user_id = ANY(%(users)s::uuid[])"
        " UNION SELECT kind, user_id::text FROM workflow_waits"
        " WHERE kind = ANY(%(kinds)s::varchar[]) AND user_id = ANY(%(users)s::uuid[])",
        {"kinds": list(kinds), "users": list(user_ids)},
    )
    return {(row[0], row[1]) for row in rows}


def add(tx: Tx, facts: Sequence[Fact]) -> None:
    """Write facts; the caller holds their users."""
    if not facts:
        return
    columns = list(zip(*facts, strict=True))
    tx.execute(
        f"INSERT INTO workflow_events ({', '.join(Fact._fields)})"
        " SELECT * FROM unnest(%s::varchar[], %s::uuid[], %s::uuid[], %s::varchar[], %s::jsonb[],"
        "  %s::timestamptz[], %s::uuid[], %s::int[])",
        [list(column) for column in columns],
    )


class Happening(NamedTuple):
    """A fact in hand, ours until we commit."""

    id: int
    kind: str
    user_id: UUID | None
    workflow_id: UUID | None
    campaign_id: UUID | None
    tracking_id: str | None  # of its campaign
    data: dict[str, Any]
    depth: int
    created_at: datetime


# Users are few and their facts many: from one to the next by the index, beginning anywhere, so
# that a flood of one user's holds up nobody.
_WHOSE = """
    WITH RECURSIVE whose AS (
        (SELECT user_id FROM workflow_events WHERE state = 'pending' AND user_id > %(after)s
            ORDER BY user_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.user_id FROM workflow_events e WHERE e.state = 'pending'
            AND e.user_id > whose.user_id ORDER BY e.user_id LIMIT 1)
        FROM whose WHERE whose.user_id IS NOT NULL
    )
    SELECT user_id FROM whose WHERE user_id IS NOT NULL LIMIT %(limit)s
"""
_MINE = """
    SELECT e.id FROM workflow_events e
    WHERE e.state = 'pending' AND {} AND e.next_attempt_at <= statement_timestamp()
    ORDER BY e.id LIMIT {} FOR NO KEY UPDATE SKIP LOCKED
"""
_CLAIM = f"""
    WITH theirs AS MATERIALIZED (
        SELECT mine.id FROM unnest(%(users)s::uuid[]) AS whose (user_id),
            LATERAL ({_MINE.format("e.user_id = whose.user_id", "%(each)s")}) AS mine
    ), nobodys AS MATERIALIZED ({_MINE.format("e.user_id IS NULL", "%(ownerless)s")})
    SELECT e.id, e.kind, e.user_id, e.workflow_id, e.campaign_id, c.tracking_id, e.data, e.depth,
        e.created_at
    FROM workflow_events e LEFT JOIN campaigns c ON c.id = e.campaign_id
    WHERE e.id = ANY(ARRAY(SELECT id FROM theirs UNION ALL SELECT id FROM nobodys)) ORDER BY e.id
"""


def whose(tx: Tx, after: UUID, limit: int) -> list[UUID]:
    """Users of whom facts wait, in the order of their ids, above one of them."""
    return [row[0] for row in tx.execute(_WHOSE, {"after": after, "limit": limit})]


def claim(tx: Tx, users: Sequence[UUID], each: int, ownerless: int) -> list[Happening]:
    """Facts that wait, in the order of their ids; ours until this transaction ends."""
    values = {"users": list(users), "each": each, "ownerless": ownerless}
    with tx.cursor(row_factory=class_row(Happening)) as cursor:
        return cursor.execute(_CLAIM, values).fetchall()


class Listener(NamedTuple):
    """An active workflow that listens; `config` is its trigger as JSON text."""

    workflow_id: UUID
    user_id: UUID
    kind: str
    version: int
    hook_number: int
    config: str
    is_suspended: bool


_LISTENER = (
    "SELECT s.workflow_id, w.user_id, coalesce(s.listens, 'hook'), s.version, s.hook_number,"
    " coalesce(w.trigger_config, '{}')::text, u.status IN ('suspended', 'canceled')"
    " FROM workflow_states s JOIN workflows w ON w.id = s.workflow_id AND w.status = 'active'"
    "  AND w.trigger_type = 'event' JOIN users u ON u.id = w.user_id"
)


def listeners(tx: Tx, kinds: Collection[str], user_ids: Collection[UUID]) -> list[Listener]:
    """Active workflows of these users that listen to one of these kinds."""
    rows = tx.execute(
        f"{_LISTENER} WHERE s.listens = ANY(%s::varchar[]) AND s.user_id = ANY(%s::uuid[])"
        " ORDER BY s.workflow_id",
        (list(kinds), list(user_ids)),
    )
    return [Listener(*row) for row in rows]


def all_listeners(tx: Tx, kind: str) -> list[Listener]:
    """Active workflows of whomever that listen to a kind."""
    rows = tx.execute(f"{_LISTENER} WHERE s.listens = %s ORDER BY s.workflow_id", (kind,))
    return [Listener(*row) for row in rows]


def listeners_of(tx: Tx, workflow_ids: Collection[UUID]) -> list[Listener]:
    """Those of these workflows that are active and listen; one may be too new to be looked at."""
    rows = tx.execute(
        f"{_LISTENER} WHERE s.workflow_id = ANY(%s::uuid[])"
        " AND (s.listens IS NOT NULL OR NOT s.checked)",
        (list(workflow_ids),),
    )
    return [Listener(*row) for row in rows]


class HookOf(NamedTuple):
    """The hook of an active workflow that listens to it; the user's id as text."""

    workflow_id: UUID
    user_id: str
    number: int


def hooks(tx: Tx, workflow_ids: Collection[UUID]) -> dict[UUID, HookOf]:
    """Those of these workflows that may be fired by their hook."""
    rows = tx.execute(
        "SELECT s.workflow_id, w.user_id::text, s.hook_number"
        " FROM workflow_states s JOIN workflows w ON w.id = s.workflow_id"
        " WHERE s.workflow_id = ANY(%s::uuid[]) AND w.status = 'active'"
        " AND w.trigger_type = 'event' AND (s.listens = 'hook' OR (NOT s.checked"
        "  AND lower(w.trigger_config->>'event') = 'hook'))",
        (list(workflow_ids),),
    )
    return {row[0]: HookOf(*row) for row in rows}


def settle(tx: Tx, matched: Collection[int], unmatched: Collection[int]) -> None:
    """Facts that we hold are done with.

    Clicks go: they are many, and events already. Of products only what somebody waited for stays.
    """
    tx.execute(
        "DELETE FROM workflow_events WHERE id = ANY(%s::bigint[])"
        " AND (kind = 'click' OR (kind = ANY(%s::varchar[]) AND id <> ALL(%s::bigint[])))",
        ([*matched, *unmatched], list(_OF_PRODUCTS), list(matched)),
    )
    tx.execute(
        "UPDATE workflow_events SET state = 'done', lease_until = NULL, last_error = NULL,"
        " outcome = CASE WHEN id = ANY(%s::bigint[]) THEN 'matched' ELSE 'unmatched' END"
        " WHERE id = ANY(%s::bigint[])",
        (list(matched), [*matched, *unmatched]),
    )


def bury(tx: Tx, event_id: int, reason: str, error: str) -> None:
    """A fact that we hold cannot be matched: a dead letter."""
    tx.execute(
        "UPDATE workflow_events SET state = 'dead', reason = %s, last_error = %s,"
        " attempts = attempts + 1 WHERE id = %s",
        (reason, error, event_id),
    )


def prune(tx: Tx, done_days: int, dead_days: int, limit: int) -> int:
    """Delete facts of such an age, done with or dead, at most `limit`; returns how many."""
    done = tx.execute(
        "DELETE FROM workflow_events WHERE id IN (SELECT id FROM workflow_events"
        "  WHERE state IN ('done', 'dead') AND created_at < statement_timestamp()"
        "   - make_interval(days => CASE state WHEN 'done' THEN %s ELSE %s END)"
        "  ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)",
        (done_days, dead_days, limit),
    )
    return done.rowcount


def now(tx: Tx) -> datetime:
    """The database's clock."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def active_runs(tx: Tx, workflow_ids: Collection[UUID]) -> dict[UUID, int]:
    """One run that has not ended of each of these workflows that has any.

    Until this transaction ends nobody else who asks starts one of them.
    """
    tx.execute(
        "SELECT FROM workflow_states WHERE workflow_id = ANY(%s) ORDER BY workflow_id"
        " FOR NO KEY UPDATE",
        (list(workflow_ids),),
    )
    rows = tx.execute(
        "SELECT DISTINCT ON (workflow_id) workflow_id, id FROM workflow_runs"
        " WHERE workflow_id = ANY(%s) AND state IN ('pending', 'running') ORDER BY workflow_id, id",
        (list(workflow_ids),),
    )
    return {row[0]: row[1] for row in rows}
