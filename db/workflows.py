"""Workflows: what happens by itself, its versions, and what the scheduler keeps of it."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, false, text
from sqlalchemy.orm import Mapped, mapped_column

from db.table import At, Base, CreatedAt, Id, Json, Long, Serial, Str50, Str100, Str255


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


class WorkflowVersion(Base):
    """A definition as it once was; a run keeps to the version it began with. Triggers write it."""

    __tablename__ = "workflow_versions"

    workflow_id: Mapped[UUID] = mapped_column(
        ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[Str255]
    trigger_type: Mapped[Str100]
    trigger_config: Mapped[Json | None]
    conditions: Mapped[Json | None]
    actions: Mapped[Json]
    created_at: Mapped[CreatedAt]


class WorkflowState(Base):
    """What the fleet keeps of a workflow beside its row.

    `checked` turns false, by trigger, with each change; `problem` says why it was paused;
    `listens` is the kind of event an active one waits for; `failures` counts failed runs in a
    row, `told_at` when the owner was told of them; `hook_number` goes into the hook's key.
    """

    __tablename__ = "workflow_states"
    __table_args__ = (
        Index(
            "idx_workflow_states_unchecked", "workflow_id", postgresql_where=text("NOT checked")
        ),
        Index(
            "idx_workflow_states_listens", "listens", "user_id",
            postgresql_where=text("listens IS NOT NULL"),
        ),
    )  # fmt: skip

    workflow_id: Mapped[UUID] = mapped_column(
        ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID]
    version: Mapped[int]
    checked: Mapped[bool] = mapped_column(server_default=false())
    problem: Mapped[Long | None]
    listens: Mapped[Str50 | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    told_at: Mapped[At | None]
    hook_number: Mapped[int] = mapped_column(server_default=text("1"))


class WorkflowSecret(Base):
    """A user's named secret for templates, sealed."""

    __tablename__ = "workflow_secrets"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[Str100] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[CreatedAt]


class WorkflowNote(Base):
    """What a `record_note` step wrote down."""

    __tablename__ = "workflow_notes"
    __table_args__ = (Index("idx_workflow_notes_user_id", "user_id", "id"),)

    id: Mapped[Serial]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    workflow_id: Mapped[UUID | None]
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    campaign_id: Mapped[UUID | None]
    text: Mapped[Long]
    created_at: Mapped[CreatedAt]
