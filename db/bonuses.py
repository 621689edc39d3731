"""Bonuses: what a buyer gets on top."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import ForeignKey, Index, text, true
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.paging import Place
from db.table import At, Base, CreatedAt, Id, Json, Long, Str50, Str255, Str500


class Bonus(Base):
    """A file or link that a campaign's buyers are given."""

    __tablename__ = "bonuses"
    __table_args__ = (
        Index("idx_bonuses_campaign_id", "campaign_id"),
        Index("idx_bonuses_is_active", "is_active"),
    )

    id: Mapped[Id]
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    name: Mapped[Str255]
    description: Mapped[Long | None]
    file_url: Mapped[Str500 | None]
    delivery_method: Mapped[Str50 | None] = mapped_column(server_default="email")
    is_active: Mapped[bool | None] = mapped_column(server_default=true())
    metadata_: Mapped[Json | None] = mapped_column("metadata")
    delivered_count: Mapped[int | None] = mapped_column(server_default=text("0"))
    last_delivered_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class BonusRow(NamedTuple):
    """A bonus as people are shown it; `metadata` has the shape of `schemas/bonuses.py`."""

    id: UUID
    campaign_id: UUID
    tracking_id: str | None
    name: str
    description: str | None
    file_url: str | None
    delivery_method: str | None
    is_active: bool | None
    metadata: Any
    delivered_count: int | None
    last_delivered_at: datetime | None
    created_at: datetime


_COLUMNS = ", ".join(
    "c.tracking_id" if name == "tracking_id" else f"b.{name}" for name in BonusRow._fields
)
_FROM = "bonuses b JOIN campaigns c ON c.id = b.campaign_id"
_SETTABLE = frozenset(
    {"name", "description", "file_url", "delivery_method", "is_active", "metadata"}
)


def add(
    tx: Tx, campaign_id: UUID | str, name: str, method: str, file_url: str | None = None,
    description: str | None = None, metadata: dict[str, Any] | None = None, active: bool = True,
) -> UUID:  # fmt: skip
    """Add a bonus; returns its id."""
    row = tx.execute(
        "INSERT INTO bonuses (campaign_id, name, description, file_url, delivery_method, is_active,"
        " metadata) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (
            campaign_id, name, description, file_url, method, active,
            Jsonb(metadata) if metadata else None,
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    made: UUID = row[0]
    return made


def find(tx: Tx, bonus_id: UUID | str) -> BonusRow | None:
    """One bonus; None when there is none."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM {_FROM} WHERE b.id = %s", (bonus_id,)).fetchone()
    return BonusRow(*row) if row else None


def page(
    tx: Tx, campaign_id: UUID | None, user_id: UUID | None, limit: int, after: Place | None = None
) -> list[BonusRow]:
    """Bonuses of a campaign, of a user or of all, newest first; pages as in `users.page`."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM {_FROM}"
        " WHERE (%(campaign)s::uuid IS NULL OR b.campaign_id = %(campaign)s)"
        " AND (%(user)s::uuid IS NULL OR c.user_id = %(user)s)"
        " AND (%(at)s::timestamptz IS NULL OR (b.created_at, b.id) < (%(at)s, %(id)s::uuid))"
        " ORDER BY b.created_at DESC, b.id DESC LIMIT %(limit)s",
        {
            "campaign": campaign_id, "user": user_id, "at": after and after.created_at,
            "id": after and after.id, "limit": limit,
        },
    )  # fmt: skip
    return [BonusRow(*row) for row in rows]


def set_fields(tx: Tx, bonus_id: UUID | str, fields: dict[str, Any]) -> BonusRow | None:
    """Change these columns; None when there is no such bonus."""
    assert fields.keys() <= _SETTABLE
    changes = ", ".join(f"{name} = %s" for name in fields)
    values = [Jsonb(value) if name == "metadata" else value for name, value in fields.items()]
    tx.execute(f"UPDATE bonuses SET {changes} WHERE id = %s", (*values, bonus_id))
    return find(tx, bonus_id)
