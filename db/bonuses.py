"""Bonuses: what a buyer gets on top."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text, true
from sqlalchemy.orm import Mapped, mapped_column

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
