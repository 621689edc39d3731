"""How many listings of a feed had no id, so that none is left out in silence."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE product_syncs ADD COLUMN skipped BIGINT")


def downgrade() -> None:
    op.execute("ALTER TABLE product_syncs DROP COLUMN skipped")
