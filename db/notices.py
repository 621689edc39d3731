"""Notices: which mails an owner was sent once and for all, so that none comes twice."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt, Str50, Str255


class Notice(Base):
    """One thing that a user was told: its kind, and what it was about."""

    __tablename__ = "notices"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[Str50] = mapped_column(primary_key=True)
    ref: Mapped[Str255] = mapped_column(primary_key=True, server_default="")
    created_at: Mapped[CreatedAt]


def note(tx: Tx, user_id: UUID, kind: str, ref: str) -> bool:
    """Say that a user is being told of this; False when that was done before."""
    done = tx.execute(
        "INSERT INTO notices (user_id, kind, ref) SELECT id, %s, %s FROM users WHERE id = %s"
        " ON CONFLICT DO NOTHING",
        (kind, ref, user_id),
    )
    return done.rowcount == 1


def email_of(tx: Tx, user_id: UUID) -> str | None:
    """Where a user's mail goes; None without a user."""
    row = tx.execute("SELECT email FROM users WHERE id = %s", (user_id,)).fetchone()
    return row[0] if row else None
