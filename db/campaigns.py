"""Campaigns: what a tracking link belongs to, and the statements on them."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from base.errors import Misused
from db import purges
from db.connection import Tx
from db.paging import Place
from db.table import Base, CreatedAt, Id, Json, Long, Str50, Str100, Str255

SETTABLE = frozenset({"name", "status", "funnel_type", "affiliate_link", "product_id", "settings"})
_COLUMNS = (
    "id, user_id, product_id, name, status, funnel_type, affiliate_link, tracking_id, settings,"
    " created_at, updated_at"
)
# No 0, O, 1, I, l: people read these aloud. 57 ** 10 makes guessing and collisions hopeless.
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TRACKING_ID_LENGTH = 10


class Campaign(Base):
    """Where a visitor of `/r/{tracking_id}` is sent, and for whom it counts."""

    __tablename__ = "campaigns"
    __table_args__ = (
        Index("idx_campaigns_user_id", "user_id"),
        Index("idx_campaigns_product_id", "product_id"),
        Index("idx_campaigns_status", "status"),
        Index("idx_campaigns_tracking_id", "tracking_id"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.id", ondelete="SET NULL"))
    name: Mapped[Str255]
    status: Mapped[Str50] = mapped_column(server_default="draft")
    funnel_type: Mapped[Str100 | None]
    affiliate_link: Mapped[Long | None]
    tracking_id: Mapped[Str50 | None] = mapped_column(unique=True)
    settings: Mapped[Json | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class CampaignRow(NamedTuple):
    """A campaign as it is stored; `settings` is whatever JSON stands there."""

    id: UUID
    user_id: UUID
    product_id: UUID | None
    name: str
    status: str
    funnel_type: str | None
    affiliate_link: str | None
    tracking_id: str | None
    settings: Any
    created_at: datetime
    updated_at: datetime


def new_tracking_id() -> str:
    """Ten characters that fit a URL as they are and say nothing about their neighbours."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TRACKING_ID_LENGTH))


def add(
    tx: Tx,
    user_id: UUID | str,
    name: str,
    affiliate_link: str | None,
    *,
    status: str = "active",
    funnel_type: str | None = None,
    settings: dict[str, Any] | None = None,
    tracking_id: str | None = None,
    product_id: UUID | None = None,
) -> CampaignRow:
    """A new campaign; the caller has checked the link and the tracking id, by default a new one.

    Raises `Misused` when the tracking id is taken.
    """
    values = (
        user_id, product_id, name, affiliate_link, status, funnel_type,
        settings and Jsonb(settings),
    )  # fmt: skip
    while True:
        with tx.cursor(row_factory=class_row(CampaignRow)) as cursor:
            row = cursor.execute(
                "INSERT INTO campaigns"
                " (user_id, product_id, name, affiliate_link, status, funnel_type, settings,"
                " tracking_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                f" ON CONFLICT (tracking_id) DO NOTHING RETURNING {_COLUMNS}",
                (*values, tracking_id or new_tracking_id()),
            ).fetchone()
        if row is not None:
            return row
        if tracking_id is not None:
            raise Misused(f"The tracking id {tracking_id} is taken: choose another.")


def find(tx: Tx, which: str) -> CampaignRow | None:
    """A campaign by tracking id or by id."""
    with tx.cursor(row_factory=class_row(CampaignRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM campaigns WHERE tracking_id = %(which)s"
            f" UNION ALL SELECT {_COLUMNS} FROM campaigns WHERE id = %(id)s::uuid LIMIT 1",
            {"which": which, "id": _uuid_or_none(which)},
        ).fetchone()


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def page(
    tx: Tx,
    limit: int,
    after: Place | None = None,
    *,
    user_id: UUID | str | None = None,
    status: str | None = None,
) -> list[CampaignRow]:
    """Campaigns, newest first, of one user or of all, in one status or in any."""
    with tx.cursor(row_factory=class_row(CampaignRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM campaigns"
            " WHERE (%(user)s::uuid IS NULL OR user_id = %(user)s)"
            " AND (%(status)s::text IS NULL OR status = %(status)s)"
            " AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid))"
            " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
            {
                "user": user_id,
                "status": status,
                "at": after and after.created_at,
                "id": after and after.id,
                "limit": limit,
            },
        ).fetchall()


def set_fields(tx: Tx, campaign_id: UUID | str, fields: dict[str, Any]) -> CampaignRow | None:
    """Change the named columns; None when there is no such campaign.

    Raises `Misused` for a column that is not in `SETTABLE`.
    """
    if not fields or not fields.keys() <= SETTABLE:
        raise Misused(f"Of a campaign these can be set: {', '.join(sorted(SETTABLE))}.")
    values = [Jsonb(value) if isinstance(value, dict) else value for value in fields.values()]
    pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in fields)
    statement = sql.SQL("UPDATE campaigns SET {} WHERE id = %s RETURNING " + _COLUMNS).format(pairs)
    with tx.cursor(row_factory=class_row(CampaignRow)) as cursor:
        return cursor.execute(statement, (*values, campaign_id)).fetchone()


def pause(tx: Tx, campaign_id: UUID | str) -> CampaignRow | None:
    """Its link goes to the fallback from now on."""
    return set_fields(tx, campaign_id, {"status": "paused"})


def resume(tx: Tx, campaign_id: UUID | str) -> CampaignRow | None:
    """Its link goes to the affiliate link again."""
    return set_fields(tx, campaign_id, {"status": "active"})


def mark_purge(tx: Tx, campaign_id: UUID | str) -> bool:
    """Have the campaign deleted, events first; its link stops with the commit.

    False when it was marked already.
    """
    return purges.mark(tx, "campaign", campaign_id)


def delete(tx: Tx, campaign_id: UUID | str) -> bool:
    """The row itself with all that hangs on it; purge its events before, in chunks."""
    return tx.execute("DELETE FROM campaigns WHERE id = %s", (campaign_id,)).rowcount == 1


def attribution_days(tx: Tx, campaign_ids: Iterable[UUID | str]) -> dict[str, int]:
    """For how many days after a click these campaigns are credited; those without a limit miss."""
    rows = tx.execute(
        "SELECT id::text, (settings->>'attribution_days')::int FROM campaigns"
        " WHERE id = ANY(%s::uuid[])"
        " AND settings->>'attribution_days' ~ '^[0-9]{1,4}$'",
        (list(campaign_ids),),
    )
    return {row[0]: row[1] for row in rows}
