"""Content: what was written for campaigns, by people or machines."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

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
