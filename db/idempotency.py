"""Idempotency keys: a sender's own event id counts once per user."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import CHAR, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, Base, Moment, Str255

# user id, the sender's event id, our click id.
Key = tuple[str, str, str]


class IdempotencyKey(Base):
    """Which click id a sender's event id became."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idx_idempotency_keys_seen_at", "seen_at"),)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    event_id: Mapped[Str255] = mapped_column(primary_key=True)
    click_id: Mapped[str] = mapped_column(CHAR(32))
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=NOW)


# The update changes nothing; it only has an event that claimed its key before, and was then
# held back, returned as the owner it is.
_CLAIM = """
    INSERT INTO idempotency_keys AS known (user_id, event_id, click_id)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[])
    ON CONFLICT (user_id, event_id) DO UPDATE SET click_id = known.click_id
        WHERE known.click_id = EXCLUDED.click_id
    RETURNING user_id::text, event_id, click_id
"""


def claim(tx: Tx, keys: Iterable[Key]) -> set[Key]:
    """Those of (user id, event id, click id) that may be written; the others are repeats.

    Of repeats within `keys` the first wins. The same event with the same click id is no repeat:
    it is a dead letter that was replayed. The caller holds the users.
    """
    first: dict[tuple[str, str], str] = {}
    for user_id, event_id, click_id in keys:
        first.setdefault((user_id, event_id), click_id)
    if not first:
        return set()
    pairs = sorted(first)  # everybody in the same order: no circle of waiting
    users, events = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    rows = tx.execute(_CLAIM, (users, events, [first[pair] for pair in pairs]))
    return {(row[0], row[1], row[2]) for row in rows}


def prune(tx: Tx, older_than_days: int, limit: int) -> int:
    """Forget keys not seen for so long, at most `limit` of them; returns how many."""
    done = tx.execute(
        "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY("
        " SELECT ctid FROM idempotency_keys"
        " WHERE seen_at < statement_timestamp() - make_interval(days => %s)"
        " ORDER BY seen_at LIMIT %s FOR UPDATE SKIP LOCKED))",
        (older_than_days, limit),
    )
    return done.rowcount
