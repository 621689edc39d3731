"""Calls: found by host and user, so that neither waits for another, and a step's own pause."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE calls ADD COLUMN retry_seconds DOUBLE PRECISION")
    op.execute("DROP INDEX idx_calls_due")
    op.execute(
        "CREATE INDEX idx_calls_due ON calls(lane, user_id, next_attempt_at)"
        " WHERE state = 'pending'"
    )
    op.execute(
        "CREATE INDEX idx_call_attempts_open ON call_attempts(call_id) WHERE outcome IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX idx_call_attempts_open")
    op.execute("DROP INDEX idx_calls_due")
    op.execute(
        "CREATE INDEX idx_calls_due ON calls(kind, lane, next_attempt_at) WHERE state = 'pending'"
    )
    op.execute("ALTER TABLE calls DROP COLUMN retry_seconds")
