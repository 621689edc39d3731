"""Accounts: what a user has set for all of their campaigns."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import Base, CreatedAt, Long


class Account(Base):
    """The settings of one user; no row means the defaults."""

    __tablename__ = "accounts"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    fallback_url: Mapped[Long | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


def set_fallback(tx: Tx, user_id: UUID | str, url: str | None) -> None:
    """Where visitors of links that lead nowhere go; None for the installation's default."""
    tx.execute(
        "INSERT INTO accounts (user_id, fallback_url) VALUES (%s, %s)"
        " ON CONFLICT (user_id) DO UPDATE SET fallback_url = EXCLUDED.fallback_url",
        (user_id, url),
    )


def fallback(tx: Tx, user_id: UUID | str) -> str | None:
    """The fallback address of this user, when one was set."""
    row = tx.execute("SELECT fallback_url FROM accounts WHERE user_id = %s", (user_id,)).fetchone()
    return row[0] if row else None
