"""Users: accounts, and the statements on them."""

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import bcrypt
from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from sqlalchemy import Index, false
from sqlalchemy.orm import Mapped, mapped_column

from base.errors import Misused
from db import purges
from db.connection import Tx
from db.paging import Place
from db.table import At, Base, CreatedAt, Id, Str50, Str255

SETTABLE = frozenset({"email", "full_name", "tier", "status", "is_email_verified", "trial_ends_at"})
_COLUMNS = "id, email, full_name, tier, status, is_email_verified, trial_ends_at, created_at"


class User(Base):
    """An account: who owns campaigns, events and keys."""

    __tablename__ = "users"
    __table_args__ = (
        Index("idx_users_email", "email"),
        Index("idx_users_status", "status"),
        Index("idx_users_tier", "tier"),
    )

    id: Mapped[Id]
    email: Mapped[Str255] = mapped_column(unique=True)
    password_hash: Mapped[Str255]
    full_name: Mapped[Str255 | None]
    tier: Mapped[Str50] = mapped_column(server_default="starter")
    status: Mapped[Str50] = mapped_column(server_default="trial")
    stripe_customer_id: Mapped[Str255 | None]
    stripe_subscription_id: Mapped[Str255 | None]
    is_email_verified: Mapped[bool | None] = mapped_column(server_default=false())
    trial_ends_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class UserRow(NamedTuple):
    """What is shown of a user; never the password's hash."""

    id: UUID
    email: str
    full_name: str | None
    tier: str
    status: str
    is_email_verified: bool | None
    trial_ends_at: datetime | None
    created_at: datetime


def _prehashed(password: str) -> bytes:
    """44 bytes of any password: bcrypt reads 72 at most and stops at a zero byte."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def password_hash(password: str) -> str:
    """What `users.password_hash` holds: bcrypt over a SHA-256 pre-hash; takes about 0.3 s."""
    return bcrypt.hashpw(_prehashed(password), bcrypt.gensalt()).decode()


def password_matches(password: str, stored: str) -> bool:
    """Whether a password is the one that was hashed into `stored`."""
    return bcrypt.checkpw(_prehashed(password), stored.encode())


def add(
    tx: Tx,
    email: str,
    *,
    full_name: str | None = None,
    password: str | None = None,
    tier: str = "starter",
    status: str = "active",
) -> UserRow:
    """A new user; without a password nobody can log in.

    Raises `Misused` when the e-mail is taken.
    """
    hashed = password_hash(password or secrets.token_urlsafe(32))
    with tx.cursor(row_factory=class_row(UserRow)) as cursor:
        row = cursor.execute(
            "INSERT INTO users (email, password_hash, full_name, tier, status)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (email) DO NOTHING"
            f" RETURNING {_COLUMNS}",
            (email, hashed, full_name, tier, status),
        ).fetchone()
    if row is None:
        raise Misused(f"A user with the e-mail {email} exists already.")
    return row


def find(tx: Tx, who: str) -> UserRow | None:
    """A user by e-mail or by id."""
    try:
        condition, value = "id = %s", str(UUID(who))
    except ValueError:
        condition, value = "email = %s", who
    with tx.cursor(row_factory=class_row(UserRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM users WHERE {condition}", (value,)
        ).fetchone()


def page(tx: Tx, limit: int, after: Place | None = None) -> list[UserRow]:
    """Users, newest first; pass the last row's `Place(created_at, id)` for the next page."""
    with tx.cursor(row_factory=class_row(UserRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM users"
            " WHERE %(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid)"
            " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
            {"at": after and after.created_at, "id": after and after.id, "limit": limit},
        ).fetchall()


def set_fields(tx: Tx, user_id: UUID | str, fields: dict[str, Any]) -> UserRow | None:
    """Change the named columns; None when there is no such user.

    Raises `Misused` for a column that is not in `SETTABLE`, and for an e-mail that is taken.
    """
    if not fields or not fields.keys() <= SETTABLE:
        raise Misused(f"Of a user these can be set: {', '.join(sorted(SETTABLE))}.")
    pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in fields)
    statement = sql.SQL("UPDATE users SET {} WHERE id = %s RETURNING " + _COLUMNS).format(pairs)
    try:
        with tx.cursor(row_factory=class_row(UserRow)) as cursor:
            return cursor.execute(statement, (*fields.values(), user_id)).fetchone()
    except UniqueViolation as error:
        raise Misused(f"A user with the e-mail {fields['email']} exists already.") from error


def set_password(tx: Tx, user_id: UUID | str, password: str) -> bool:
    """A new password; False when there is no such user."""
    done = tx.execute(
        "UPDATE users SET password_hash = %s WHERE id = %s", (password_hash(password), user_id)
    )
    return done.rowcount == 1


def mark_purge(tx: Tx, user_id: UUID | str) -> bool:
    """Have the user deleted, events first; its links and keys stop with the commit.

    False when it was marked already.
    """
    return purges.mark(tx, "user", user_id)


def delete(tx: Tx, user_id: UUID | str) -> bool:
    """The row itself with all that hangs on it; purge its events before, in chunks."""
    return tx.execute("DELETE FROM users WHERE id = %s", (user_id,)).rowcount == 1
