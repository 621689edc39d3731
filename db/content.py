"""Content: what was written for campaigns, by people or machines."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg.rows import class_row
from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.paging import Place
from db.table import At, Base, CreatedAt, Id, Json, Long, Str50, Str500


class Content(Base):
    """A post, mail, script or advertisement, with its time of publishing."""

    __tablename__ = "content"
    __table_args__ = (
        Index("idx_content_user_id", "user_id"),
        Index("idx_content_campaign_id", "campaign_id"),
        Index("idx_content_type", "type"),
        Index("idx_content_status", "status"),
        Index(
            "idx_content_scheduled",
            "scheduled_for",
            postgresql_where=text("scheduled_for IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    type: Mapped[Str50]
    title: Mapped[Str500 | None]
    body: Mapped[Long]
    metadata_: Mapped[Json | None] = mapped_column("metadata")
    status: Mapped[Str50] = mapped_column(server_default="draft")
    published_at: Mapped[At | None]
    scheduled_for: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class NewContent(NamedTuple):
    """Content to be written; published at once, or at a time, when its status says so."""

    user_id: UUID
    campaign_id: UUID | None
    type: str
    title: str | None
    body: str
    metadata: Any
    status: str
    scheduled_for: datetime | None


class ContentRow(NamedTuple):
    """A row, and how its publishing goes: how often it was refused, and why the last time."""

    id: UUID
    user_id: UUID
    campaign_id: UUID | None
    type: str
    title: str | None
    status: str
    scheduled_for: datetime | None
    published_at: datetime | None
    created_at: datetime
    refused: int
    error: str | None
    held: bool


_COLUMNS = (
    "c.id, c.user_id, c.campaign_id, c.type, c.title, c.status, c.scheduled_for, c.published_at,"
    " c.created_at, coalesce(p.attempts, 0) AS refused, p.last_error AS error,"
    " coalesce(p.held, false) AS held"
)
_FROM = " FROM content c LEFT JOIN publications p ON p.content_id = c.id"


def add(tx: Tx, new: NewContent) -> UUID:
    """Write content; returns its id."""
    metadata = None if new.metadata is None else orjson.dumps(new.metadata).decode()
    row = tx.execute(
        "INSERT INTO content (user_id, campaign_id, type, title, body, metadata, status,"
        " scheduled_for, published_at) VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s,"
        " CASE WHEN %s = 'published' THEN now() END) RETURNING id",
        (*new._replace(metadata=metadata), new.status),
    ).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def find(tx: Tx, content_id: UUID) -> tuple[ContentRow, str, Any] | None:
    """One, with its body and metadata."""
    with tx.cursor(row_factory=class_row(ContentRow)) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS}{_FROM} WHERE c.id = %s", (content_id,)).fetchone()
    rest = tx.execute("SELECT body, metadata FROM content WHERE id = %s", (content_id,)).fetchone()
    return None if row is None or rest is None else (row, rest[0], rest[1])


def page(
    tx: Tx,
    limit: int,
    after: Place | None = None,
    *,
    user_id: UUID | None = None,
    campaign_id: UUID | None = None,
    status: str | None = None,
) -> list[ContentRow]:
    """Content, newest first, of one user or of all, in one status or in any; without bodies."""
    with tx.cursor(row_factory=class_row(ContentRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS}{_FROM} WHERE (%(user)s::uuid IS NULL OR c.user_id = %(user)s)"
            " AND (%(campaign)s::uuid IS NULL OR c.campaign_id = %(campaign)s)"
            " AND (%(status)s::text IS NULL OR c.status = %(status)s)"
            " AND (%(at)s::timestamptz IS NULL OR (c.created_at, c.id) < (%(at)s, %(id)s::uuid))"
            " ORDER BY c.created_at DESC, c.id DESC LIMIT %(limit)s",
            {
                "user": user_id,
                "campaign": campaign_id,
                "status": status,
                "at": after and after.created_at,
                "id": after and after.id,
                "limit": limit,
            },
        ).fetchall()
