"""Webhooks: the inbox of what networks and Stripe have sent, and what became of each."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import At, Base, CreatedAt, Str255, Word
from db.work import WorkRow

FORMAT = 1


class Webhook(WorkRow, Base):
    """One message as it came; a work row while something is still owed to it.

    `source` is `clickbank` or `stripe`; `external_id` the sender's own id of the message, or the
    door's when it has none. `body` is what stood on the wire: a ClickBank message stays
    encrypted here, since it holds a customer's name and address.
    """

    __tablename__ = "webhooks"
    kind_column = "source"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        UniqueConstraint("source", "external_id"),
        Index("idx_webhooks_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        # Nearly all are done at once: an index of the others stays small.
        Index("idx_webhooks_state", "state", postgresql_where=text("state <> 'done'")),
        Index("idx_webhooks_user_id", "user_id", "id"),
        Index("idx_webhooks_created_at", "created_at"),
    )

    source: Mapped[Word]
    external_id: Mapped[Word]
    integration_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    type: Mapped[Word | None]
    receipt: Mapped[Str255 | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    format: Mapped[int] = mapped_column(server_default=text("1"))
    occurred_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class Arrival(NamedTuple):
    """A message to be kept; `state` is `pending` when an actor still has to handle it."""

    state: str
    outcome: str | None
    reason: str | None
    source: str
    external_id: str
    integration_id: str | None
    user_id: str | None
    type: str | None
    receipt: str | None
    body: bytes
    occurred_at: datetime | None
    last_error: str | None = None


def take(tx: Tx, arrivals: Iterable[Arrival]) -> set[tuple[str, str]]:
    """Keep messages; returns (source, external id) of those not seen before."""
    rows = sorted(arrivals, key=lambda one: (one.source, one.external_id))
    if not rows:
        return set()
    columns = list(zip(*rows, strict=True))
    found = tx.execute(
        f"INSERT INTO webhooks ({', '.join(Arrival._fields)})"
        " SELECT * FROM unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[],"
        "  %s::varchar[], %s::uuid[], %s::uuid[], %s::varchar[], %s::varchar[], %b::bytea[],"
        "  %s::timestamptz[], %s::text[])"
        " ON CONFLICT (source, external_id) DO NOTHING RETURNING source, external_id",
        [list(column) for column in columns],
    )
    return {(row[0], row[1]) for row in found}


class Which(NamedTuple):
    """Which messages are wanted; None wants all."""

    source: str | None = None
    state: str | None = None
    type: str | None = None
    outcome: str | None = None
    reason: str | None = None
    receipt: str | None = None
    user: UUID | None = None
    since: datetime | None = None  # came at this moment or later
    until: datetime | None = None  # came before


class Listed(NamedTuple):
    """A message in a list; its id as text."""

    id: str
    source: str
    type: str | None
    receipt: str | None
    state: str
    outcome: str | None
    reason: str | None
    attempts: int
    user_id: UUID | None
    integration_id: UUID | None
    occurred_at: datetime | None
    created_at: datetime


_MOST_ID = 9_223_372_036_854_775_807
_CONDITIONS = {
    "user": "user_id = %(user)s",
    "since": "created_at >= %(since)s",
    "until": "created_at < %(until)s",
}


def _where(which: Which) -> tuple[str, dict[str, Any]]:
    """The condition, and the values it names."""
    values = {name: value for name, value in which._asdict().items() if value is not None}
    wheres = [_CONDITIONS.get(name, f"{name} = %({name})s") for name in values]
    return " AND ".join(wheres) or "true", values


def page(tx: Tx, which: Which, limit: int, before: int | None = None) -> list[Listed]:
    """Messages, newest first; pass the last one's id as `before` for the next page."""
    where, values = _where(which)
    rows = tx.execute(
        f"SELECT id::text, {', '.join(Listed._fields[1:])} FROM webhooks"
        f" WHERE {where} AND webhooks.id < %(before)s"
        " ORDER BY webhooks.id DESC LIMIT %(limit)s",
        {**values, "before": _MOST_ID if before is None else before, "limit": limit},
    )
    return [Listed(*row) for row in rows]


def count(tx: Tx, which: Which) -> int:
    """How many there are."""
    where, values = _where(which)
    row = tx.execute(f"SELECT count(*) FROM webhooks WHERE {where}", values).fetchone()
    return int(row[0]) if row else 0


def replay(tx: Tx, ids: list[int], *, again: bool = False) -> int:
    """Have messages handled once more; returns how many.

    Dead ones; with `again` also those that are done. What was recorded of them is recorded no
    second time: payments and billing know what they have seen.
    """
    done = tx.execute(
        "UPDATE webhooks SET state = 'pending', reason = NULL, updated_at = now(),"
        " next_attempt_at = statement_timestamp()"
        " WHERE id = ANY(%s) AND (state = 'dead' OR (%s AND state = 'done'))",
        (ids, again),
    )
    return done.rowcount


def owned(tx: Tx, row_id: int, user_id: UUID | None) -> None:
    """Say whose a message is, so that it goes with its user."""
    tx.execute(
        "UPDATE webhooks SET user_id = coalesce(%s, user_id), updated_at = now() WHERE id = %s",
        (user_id, row_id),
    )


def save(tx: Tx, row_id: int, attempts: int, body: bytes) -> bool:
    """Keep how far a long message is; False when its lease was lost."""
    done = tx.execute(
        "UPDATE webhooks SET body = %s, updated_at = now()"
        " WHERE id = %s AND state = 'running' AND attempts = %s",
        (body, row_id, attempts),
    )
    return done.rowcount == 1


def learn(
    tx: Tx, row_id: int, type_: str, receipt: str | None, occurred_at: datetime | None
) -> None:
    """What a message says, once it could be read."""
    tx.execute(
        "UPDATE webhooks SET type = %s, receipt = %s, occurred_at = %s, updated_at = now()"
        " WHERE id = %s",
        (type_, receipt, occurred_at, row_id),
    )


def find_body(tx: Tx, user_id: UUID, body: bytes, since: datetime) -> dict[str, Any] | None:
    """The user's message of exactly these bytes that came lately; None while there is none."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT id, state, outcome, reason FROM webhooks WHERE user_id = %s AND body = %s"
            " AND created_at >= %s - interval '1 minute'",
            (user_id, body, since),
        ).fetchone()


def prune(tx: Tx, older_than_days: int, limit: int) -> int:
    """Delete messages of that age to which nothing is owed, at most `limit`; returns how many."""
    done = tx.execute(
        "DELETE FROM webhooks WHERE id IN (SELECT id FROM webhooks"
        "  WHERE created_at < statement_timestamp() - make_interval(days => %s)"
        "  AND state IN ('done', 'dead') ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)",
        (older_than_days, limit),
    )
    return done.rowcount


def purge_chunk(tx: Tx, user_id: UUID | str, limit: int) -> int:
    """Delete at most `limit` messages of a user who is deleted; 0 when none is left."""
    done = tx.execute(
        "DELETE FROM webhooks WHERE id IN"
        " (SELECT id FROM webhooks WHERE user_id = %s ORDER BY id LIMIT %s)",
        (user_id, limit),
    )
    return done.rowcount


def show(tx: Tx, row_id: int) -> dict[str, Any] | None:
    """All columns of one message; None when there is none."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM webhooks WHERE id = %s", (row_id,)).fetchone()
