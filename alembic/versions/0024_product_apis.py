"""Other sources tell of products: turns at their doors, how far each was asked, what was sold."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = (
    "CREATE TABLE api_turns (service VARCHAR PRIMARY KEY, next_at TIMESTAMPTZ NOT NULL)",
    """
    CREATE TABLE api_budgets (
        account VARCHAR NOT NULL,
        hour TIMESTAMPTZ NOT NULL,
        used INTEGER NOT NULL,
        PRIMARY KEY (account, hour)
    )
    """,
    """
    CREATE TABLE product_asks (
        integration_id UUID NOT NULL REFERENCES integrations(id) ON DELETE CASCADE,
        account VARCHAR NOT NULL,
        question VARCHAR NOT NULL,
        sync_id BIGINT NOT NULL,
        page INTEGER NOT NULL DEFAULT 1,
        ended_at TIMESTAMPTZ,
        reason VARCHAR,
        PRIMARY KEY (integration_id, account, question)
    )
    """,
    """
    CREATE TABLE vendor_sales (
        integration_id UUID NOT NULL REFERENCES integrations(id) ON DELETE CASCADE,
        account VARCHAR NOT NULL,
        role VARCHAR NOT NULL,
        dimension VARCHAR NOT NULL,
        name VARCHAR NOT NULL,
        refund_rate NUMERIC(5, 2),
        chargeback_rate NUMERIC(5, 2),
        sales BIGINT,
        told JSONB NOT NULL,
        changed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (integration_id, account, role, dimension, name)
    )
    """,
    "CREATE INDEX idx_vendor_sales_name ON vendor_sales(name) WHERE dimension = 'vendor'",
    "ALTER TABLE product_syncs ADD COLUMN unasked BIGINT",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE product_syncs DROP COLUMN unasked")
    for table in ("vendor_sales", "product_asks", "api_budgets", "api_turns"):
        op.execute(f"DROP TABLE {table}")
