"""Notices: which mails an owner was sent once and for all, so that none comes twice."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.table import At, Base, CreatedAt, Str50, Str255


class Notice(Base):
    """One thing that a user was told: its kind, and what it was about."""

    __tablename__ = "notices"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[Str50] = mapped_column(primary_key=True)
    ref: Mapped[Str255] = mapped_column(primary_key=True, server_default="")
    created_at: Mapped[CreatedAt]


class Chore(Base):
    """When a chore with a time of day was last due, and done."""

    __tablename__ = "chores"

    name: Mapped[Str50] = mapped_column(primary_key=True)
    due_at: Mapped[At]
    done_at: Mapped[At | None]
