"""The usual way's tables of workflows, as an ORM has them."""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Engine,
    ForeignKey,
    UniqueConstraint,
    create_engine,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from base.settings import settings

At = TIMESTAMP(timezone=True)


class Base(DeclarativeBase):
    """What the usual way's models share."""


class Workflow(Base):
    """The columns it needs."""

    __tablename__ = "workflows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    status: Mapped[str]
    trigger_config: Mapped[Any] = mapped_column(JSONB)
    actions: Mapped[Any] = mapped_column(JSONB)
    last_run_at: Mapped[datetime | None] = mapped_column(At)
    next_run_at: Mapped[datetime | None] = mapped_column(At)


class Campaign(Base):
    """The columns it needs."""

    __tablename__ = "campaigns"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    name: Mapped[str]
    status: Mapped[str]


class Note(Base):
    """What a step wrote down."""

    __tablename__ = "usual_notes"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[UUID]
    run_id: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str]


class Run(Base):
    """One per workflow and due time."""

    __tablename__ = "usual_runs"
    __table_args__ = (UniqueConstraint("workflow_id", "due_at"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    workflow_id: Mapped[UUID]
    due_at: Mapped[datetime] = mapped_column(At)
    state: Mapped[str] = mapped_column(server_default="pending", index=True)
    created_at: Mapped[datetime] = mapped_column(At, server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(At)


class Step(Base):
    """One per finished step."""

    __tablename__ = "usual_steps"

    run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("usual_runs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    output: Mapped[Any] = mapped_column(JSONB)
    ended_at: Mapped[datetime] = mapped_column(At, server_default=func.now())


TABLES = [Base.metadata.tables[f"usual_{name}"] for name in ("runs", "steps", "notes")]


@cache
def engine(url: str | None = None) -> Engine:
    """An engine; this process's unless another address is given. The pool holds a connection
    for each of its threads."""
    told = (url or settings().database).replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(told, pool_size=settings().pool_max, max_overflow=0)
