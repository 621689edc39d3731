"""Workflows: what happens by itself, and when it happens next."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.table import At, Base, CreatedAt, Id, Json, Str50, Str100, Str255


class Workflow(Base):
    """A trigger, conditions and actions; `next_run_at` is the only schedule."""

    __tablename__ = "workflows"
    __table_args__ = (
        Index("idx_workflows_user_id", "user_id"),
        Index("idx_workflows_status", "status"),
        Index(
            "idx_workflows_next_run",
            "next_run_at",
            postgresql_where=text("next_run_at IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[Str255]
    trigger_type: Mapped[Str100]
    trigger_config: Mapped[Json | None]
    actions: Mapped[Json]
    conditions: Mapped[Json | None]
    status: Mapped[Str50] = mapped_column(server_default="draft")
    last_run_at: Mapped[At | None]
    next_run_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
