"""Holds: what suspends an account whatever its billing says; and the log of account changes."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.table import NOW, At, Base, CreatedAt, Json, Serial, Str20, Str50, Str255


class UserHold(Base):
    """One reason to suspend: a person's (`admin`, by a trigger), a dispute, a suspected fraud.

    `ref` is the dispute's or warning's id; `made_at` and `event_id` the newest word on it.
    """

    __tablename__ = "user_holds"
    __table_args__ = (CheckConstraint("kind IN ('admin', 'dispute', 'fraud')", name="kind"),)

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[Str20] = mapped_column(primary_key=True)
    ref: Mapped[Str255] = mapped_column(primary_key=True, server_default="")
    event_id: Mapped[Str255] = mapped_column(server_default="")
    made_at: Mapped[At] = mapped_column(server_default=NOW)
    status_before: Mapped[Str50] = mapped_column(server_default="active")
    lifted_at: Mapped[At | None]


class UserChange(Base):
    """What billing changed of a user, and what made it: an event's id, or a word."""

    __tablename__ = "user_changes"
    __table_args__ = (Index("idx_user_changes_user_id", "user_id", "id"),)

    id: Mapped[Serial]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    cause: Mapped[Str255]
    before: Mapped[Json]
    after: Mapped[Json]
    created_at: Mapped[CreatedAt]


class Hold(NamedTuple):
    """A hold that is in force."""

    kind: str
    ref: str
    status_before: str
    made_at: datetime


def put(
    tx: Tx, user_id: UUID, kind: str, ref: str, made_at: datetime, event: str, *, holds: bool,
    status: str,
) -> None:  # fmt: skip
    """Take the word of one event on a dispute or warning; an older word than the last is none.

    `status` is what the account goes back to should nothing else say so.
    """
    tx.execute(
        "INSERT INTO user_holds AS held"
        " (user_id, kind, ref, made_at, event_id, status_before, lifted_at)"
        " VALUES (%(user)s, %(kind)s, %(ref)s, %(at)s, %(event)s, %(status)s,"
        "  CASE WHEN %(holds)s THEN NULL ELSE now() END)"
        " ON CONFLICT (user_id, kind, ref) DO UPDATE SET made_at = EXCLUDED.made_at,"
        "  event_id = EXCLUDED.event_id, lifted_at = EXCLUDED.lifted_at"
        " WHERE (held.made_at, held.event_id) < (EXCLUDED.made_at, EXCLUDED.event_id)",
        {
            "user": user_id, "kind": kind, "ref": ref, "at": made_at, "event": event,
            "status": status, "holds": holds,
        },
    )  # fmt: skip


def of(tx: Tx, user_id: UUID) -> list[Hold]:
    """The holds in force on a user, the first first."""
    rows = tx.execute(
        "SELECT kind, ref, status_before, made_at FROM user_holds"
        " WHERE user_id = %s AND lifted_at IS NULL ORDER BY made_at, kind, ref",
        (user_id,),
    )
    return [Hold(*row) for row in rows]


def status_before(tx: Tx, user_id: UUID) -> str | None:
    """What the account was before its holds, of which none is in force any more."""
    row = tx.execute(
        "SELECT status_before FROM user_holds WHERE user_id = %s AND status_before <> 'suspended'"
        " ORDER BY lifted_at DESC LIMIT 1",
        (user_id,),
    ).fetchone()
    return str(row[0]) if row else None


def log_change(
    tx: Tx, user_id: UUID, cause: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Keep what was changed of a user."""
    tx.execute(
        "INSERT INTO user_changes (user_id, cause, before, after)"
        " VALUES (%s, %s, %s::jsonb, %s::jsonb)",
        (user_id, cause[:255], orjson.dumps(before).decode(), orjson.dumps(after).decode()),
    )


def changes(tx: Tx, user_id: UUID, limit: int) -> list[tuple[datetime, str, Any, Any]]:
    """The last changes of a user: when, why, what it was and what it became."""
    return tx.execute(
        "SELECT created_at, cause, before, after FROM user_changes WHERE user_id = %s"
        " ORDER BY id DESC LIMIT %s",
        (user_id, limit),
    ).fetchall()
