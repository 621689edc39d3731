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
        "  %s::varchar[], %s::uuid[], %s::uuid[], %s::varchar[], %s::varchar[], %s::bytea[],"
        "  %s::timestamptz[], %s::text[])"
        " ON CONFLICT (source, external_id) DO NOTHING RETURNING source, external_id",
        [list(column) for column in columns],
    )
    return {(row[0], row[1]) for row in found}


def show(tx: Tx, row_id: int) -> dict[str, Any] | None:
    """All columns of one message; None when there is none."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM webhooks WHERE id = %s", (row_id,)).fetchone()
