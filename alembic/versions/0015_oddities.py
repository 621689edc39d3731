"""What a person may want to look at among payments is found without reading all of them."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX idx_receipts_flagged ON receipts(created_at) WHERE flags <> '{}'")
    op.execute(
        "CREATE INDEX idx_orders_unattributed ON orders(created_at) WHERE campaign_id IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX idx_receipts_flagged")
    op.execute("DROP INDEX idx_orders_unattributed")
