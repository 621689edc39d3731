"""Teams: who may work on an agency's data."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from db.table import Base, CreatedAt, Id, Json, Str50, Str255


class Team(Base):
    """A workspace that shares its owner's data."""

    __tablename__ = "teams"
    __table_args__ = (
        Index("idx_teams_owner_id", "owner_id"),
        Index("idx_teams_is_active", "is_active"),
    )

    id: Mapped[Id]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[Str255]
    settings: Mapped[Json | None]
    is_active: Mapped[bool | None] = mapped_column(server_default=true())
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class TeamMember(Base):
    """A user in a team, once, with a role."""

    __tablename__ = "team_members"
    __table_args__ = (
        UniqueConstraint("team_id", "user_id"),
        Index("idx_team_members_team_id", "team_id"),
        Index("idx_team_members_user_id", "user_id"),
    )

    id: Mapped[Id]
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[Str50] = mapped_column(server_default="member")
    permissions: Mapped[Json | None]
    is_active: Mapped[bool | None] = mapped_column(server_default=true())
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
