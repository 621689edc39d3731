"""Doors' counts by minute: an audit asks for a day of all processes there ever were."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX idx_door_counts_minute ON door_counts(minute)")


def downgrade() -> None:
    op.execute("DROP INDEX idx_door_counts_minute")
