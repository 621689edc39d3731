"""Held events: items that could not become rows yet, or ever; kept as they came."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg.rows import dict_row
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db import work
from db.connection import Tx
from db.table import Base, CreatedAt, Str20, Word
from db.work import WorkRow, work_table_args
from schemas.items import Item, doors_of, doors_text

WHOLE_BATCH = -1  # the position of a batch nobody could take apart
FORMAT = 1
_DEFER_SECONDS = 1.0


class HeldEvent(WorkRow, Base):
    """An item that waits for its owner's lock (pending), or a dead letter with its reason.

    Its user has no foreign key: a dead letter must be able to outlive what was wrong with it.
    """

    __tablename__ = "held_events"
    __table_args__ = (
        *work_table_args("held_events"),
        UniqueConstraint("batch_id", "position"),
        Index("idx_held_events_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
    )

    kind: Mapped[Str20]
    batch_id: Mapped[UUID]
    position: Mapped[int]
    format: Mapped[int] = mapped_column(server_default=text("1"))
    user_id: Mapped[UUID | None]
    item: Mapped[bytes]
    original: Mapped[bytes | None]  # as it came, once a person has edited it
    doors: Mapped[Word] = mapped_column(server_default="?:1")  # items by door, for the audit
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class Holding(NamedTuple):
    """What is to be held; make it with `dead_item`, `deferred_item` or `dead_batch`."""

    kind: str
    batch_id: str
    position: int
    user_id: str | None
    item: bytes
    doors: str
    state: str
    reason: str
    error: str | None
    delay_seconds: float


def dead_item(
    kind: str, batch_id: str, position: int, item: Any, reason: str, error: str | None = None
) -> Holding:
    """An item that will never be a row by itself; `item` may be any JSON, that may be why."""
    return Holding(
        kind, batch_id, position, _user(item), orjson.dumps(item), _doors(item),
        "dead", reason, error, 0,
    )  # fmt: skip


def deferred_item(
    kind: str, batch_id: str, position: int, item: Item, reason: str = "owner_locked"
) -> Holding:
    """An item that waits for its owner's lock or for its click: again in a second."""
    return Holding(
        kind, batch_id, position, _user(item), orjson.dumps(item), _doors(item),
        "pending", reason, None, _DEFER_SECONDS,
    )  # fmt: skip


def dead_batch(
    kind: str, batch_id: str, body: bytes, doors: str, reason: str, error: str | None = None
) -> Holding:
    """A whole batch that cannot or must not be read; `doors` as in `schemas.items.doors_text`."""
    return Holding(kind, batch_id, WHOLE_BATCH, None, body, doors, "dead", reason, error, 0)


def _doors(item: Any) -> str:
    return doors_text(doors_of([item]))


def _user(item: Any) -> str | None:
    """The owner, when the item names one that can be stored."""
    try:
        return str(UUID(item["user"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def hold(tx: Tx, holdings: Iterable[Holding]) -> int:
    """Keep items; those of a batch and position that is held already are left as they are.

    Returns how many were new.
    """
    rows = [
        (
            one.kind, one.batch_id, one.position, FORMAT, one.user_id, one.item, one.doors,
            one.state, one.reason, one.error and one.error.replace("\0", ""), one.delay_seconds,
        )
        for one in holdings
    ]  # fmt: skip
    if not rows:
        return 0
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO held_events (kind, batch_id, position, format, user_id, item, doors,"
            " state, reason, last_error, next_attempt_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s,"
            " %s, %s,"
            " statement_timestamp() + make_interval(secs => %s))"
            " ON CONFLICT (batch_id, position) DO NOTHING",
            rows,
        )
        return cursor.rowcount


class DeadRow(NamedTuple):
    """A dead letter in a list; `event:<id>` is its address."""

    id: int
    kind: str
    batch_id: UUID
    position: int
    user_id: UUID | None
    reason: str | None
    last_error: str | None
    attempts: int
    created_at: datetime


def dead(tx: Tx, limit: int, before: int | None = None) -> list[DeadRow]:
    """Dead letters, newest first; pass the last one's id as `before` for the next page."""
    rows = tx.execute(
        f"SELECT {', '.join(DeadRow._fields)} FROM held_events WHERE state = 'dead'"
        " AND id < coalesce(%s::bigint, 9223372036854775807) ORDER BY id DESC LIMIT %s",
        (before, limit),
    )
    return [DeadRow(*row) for row in rows]


def show(tx: Tx, row_id: int) -> dict[str, Any] | None:
    """All columns of a held event; `item` as it came, in bytes."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM held_events WHERE id = %s", (row_id,)).fetchone()


def replay(tx: Tx, row_id: int) -> bool:
    """Try a dead letter again; False when there is no such dead letter."""
    return work.replay(tx, HeldEvent, [row_id]) == 1


def drop(tx: Tx, row_id: int) -> bool:
    """Throw a dead letter away for good; False when there is no such dead letter."""
    done = tx.execute("DELETE FROM held_events WHERE id = %s AND state = 'dead'", (row_id,))
    return done.rowcount == 1


def counts(tx: Tx) -> Counter[tuple[str, str]]:
    """How many are held, by (kind, state)."""
    rows = tx.execute(
        "SELECT kind, state, count(*) FROM held_events WHERE state <> 'done' GROUP BY kind, state"
    )
    return Counter({(row[0], row[1]): row[2] for row in rows})


def purge(tx: Tx, user_id: UUID | str) -> int:
    """Delete what is held for a user who is deleted; returns how many."""
    return tx.execute("DELETE FROM held_events WHERE user_id = %s", (user_id,)).rowcount


def prune(tx: Tx, older_than_days: int, limit: int) -> int:
    """Delete finished rows, and dead letters of that age, at most `limit`; returns how many."""
    done = tx.execute(
        "DELETE FROM held_events WHERE id IN (SELECT id FROM held_events WHERE state = 'done'"
        " OR (state = 'dead' AND updated_at < statement_timestamp() - make_interval(days => %s))"
        " LIMIT %s FOR UPDATE SKIP LOCKED)",
        (older_than_days, limit),
    )
    return done.rowcount
