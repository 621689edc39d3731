"""Full-text search over products."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX idx_products_search ON products"
        " USING gin(to_tsvector('english', title || ' ' || description))"
    )


def downgrade() -> None:
    op.execute("DROP INDEX idx_products_search")
