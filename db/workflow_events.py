"""Workflow events: what happened that workflows wait for, and what is gathered of it."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.table import NOW, At, Base, CreatedAt, Json, Str50, Str255
from db.work import WorkRow

_STATES = "state IN ('pending', 'running', 'done', 'dead')"


class WorkflowEvent(WorkRow, Base):
    """Something of a user's that happened, written in the transaction that made it happen.

    `ref` names it (a click id, a receipt, a content's id); `workflow_id` is set where only one
    workflow is meant, by its hook. `depth` is that of the run that caused it, or 0.
    """

    __tablename__ = "workflow_events"
    __table_args__ = (
        CheckConstraint(_STATES, name="state"),
        Index(
            "idx_workflow_events_due", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("idx_workflow_events_state", "state"),
        Index(
            "idx_workflow_events_latest", "user_id", "kind", "id",
            postgresql_where=text("state = 'done'"),
        ),
    )  # fmt: skip

    kind: Mapped[Str50]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    workflow_id: Mapped[UUID | None]
    campaign_id: Mapped[UUID | None]
    ref: Mapped[Str255] = mapped_column(server_default="")
    data: Mapped[Json]
    depth: Mapped[int] = mapped_column(server_default=text("0"))
    occurred_at: Mapped[At] = mapped_column(server_default=NOW)
    created_at: Mapped[CreatedAt]


class WorkflowGather(WorkRow, Base):
    """Events that wait to fire a workflow together: debounced, throttled, or in batches."""

    __tablename__ = "workflow_gathers"
    __table_args__ = (
        CheckConstraint(_STATES, name="state"),
        UniqueConstraint("workflow_id", "key"),
        Index(
            "idx_workflow_gathers_due", "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("idx_workflow_gathers_state", "state"),
    )  # fmt: skip

    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    key: Mapped[Str255] = mapped_column(server_default="")
    number: Mapped[int] = mapped_column(server_default=text("0"))
    events: Mapped[Json] = mapped_column(server_default=text("'[]'"))
    first_at: Mapped[At | None]
    fired_at: Mapped[At | None]
