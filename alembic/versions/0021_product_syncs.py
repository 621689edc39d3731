"""Products are kept as the marketplace's feed tells: syncs, what was last told, what is missing."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE product_syncs (
        id BIGSERIAL PRIMARY KEY,
        state VARCHAR NOT NULL DEFAULT 'pending' CONSTRAINT product_syncs_state_check
            CHECK (state IN ('pending', 'running', 'done', 'dead')),
        outcome VARCHAR,
        reason VARCHAR,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        lease_until TIMESTAMPTZ,
        last_error TEXT,
        source VARCHAR NOT NULL,
        address TEXT,
        is_forced BOOLEAN NOT NULL DEFAULT false,
        asked_by VARCHAR NOT NULL,
        stage VARCHAR NOT NULL DEFAULT 'asked',
        host VARCHAR,
        file TEXT,
        etag TEXT,
        last_modified TEXT,
        digest VARCHAR,
        feed_at TIMESTAMPTZ,
        started_at TIMESTAMPTZ,
        finished_at TIMESTAMPTZ,
        bytes BIGINT,
        done_share DOUBLE PRECISION,
        listings BIGINT,
        seen BIGINT,
        inserted BIGINT,
        updated BIGINT,
        unchanged BIGINT,
        missing BIGINT,
        refused TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_product_syncs_due ON product_syncs(next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX idx_product_syncs_state ON product_syncs(state)",
    # Two at once would wait for one another's rows, and neither would know.
    "CREATE UNIQUE INDEX idx_product_syncs_running ON product_syncs(state)"
    " WHERE state = 'running'",
    """
    CREATE TABLE product_states (
        product_id UUID PRIMARY KEY REFERENCES products(id) ON DELETE CASCADE,
        clickbank_id VARCHAR(100) NOT NULL,
        digest UUID NOT NULL
    )
    """,
    """
    CREATE TABLE product_absences (
        product_id UUID PRIMARY KEY REFERENCES products(id) ON DELETE CASCADE,
        feeds INTEGER NOT NULL,
        last_seen_at TIMESTAMPTZ,
        since_sync BIGINT NOT NULL,
        vanished_at TIMESTAMPTZ
    )
    """,
    """
    CREATE TABLE product_history (
        product_id UUID NOT NULL REFERENCES products(id) ON DELETE CASCADE,
        day DATE NOT NULL,
        gravity NUMERIC(10, 2),
        commission_rate NUMERIC(5, 2),
        commission_amount NUMERIC(10, 2),
        popularity_rank INTEGER,
        PRIMARY KEY (product_id, day)
    )
    """,
)

# What a sync itself writes keeps its state: it says so for its transaction. A row that anybody
# else changed looks changed to the next feed, which restores it.
FORGET = """
CREATE FUNCTION hopfleet_forget_products() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('hopfleet.syncing', true), '') <> 'on' THEN
        UPDATE product_states s SET digest = '00000000-0000-0000-0000-000000000000'
        FROM new_rows n WHERE s.product_id = n.id;
    END IF;
    RETURN NULL;
END $$
"""

FORGETS = (
    "CREATE TRIGGER products_forget AFTER UPDATE ON products"
    " REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_forget_products()"
)


def upgrade() -> None:
    # Of ours, and of nobody else's: what is only on its way in or out.
    op.execute("CREATE SCHEMA IF NOT EXISTS archive")
    for statement in (*TABLES, FORGET, FORGETS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER products_forget ON products")
    op.execute("DROP FUNCTION hopfleet_forget_products()")
    for table in ("product_history", "product_absences", "product_states", "product_syncs"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP SCHEMA archive CASCADE")
