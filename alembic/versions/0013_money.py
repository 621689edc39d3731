"""Money: integrations, orders with their receipts, the webhook inbox, and rates."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE integrations (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        campaign_id UUID REFERENCES campaigns(id) ON DELETE CASCADE,
        network VARCHAR(50) NOT NULL,
        name VARCHAR(255) NOT NULL,
        key_digest BYTEA NOT NULL UNIQUE,
        sealed BYTEA NOT NULL,
        settings JSONB NOT NULL DEFAULT '{}',
        disabled_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_integrations_user_id ON integrations(user_id)",
    "CREATE INDEX idx_integrations_campaign_id ON integrations(campaign_id)"
    " WHERE campaign_id IS NOT NULL",
    """
    CREATE TABLE orders (
        id BIGSERIAL PRIMARY KEY,
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        receipt VARCHAR(255) NOT NULL,
        parent VARCHAR(255),
        click_id VARCHAR(32),
        campaign_id UUID,
        source VARCHAR(255),
        matched_by VARCHAR NOT NULL DEFAULT 'none',
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        UNIQUE (user_id, receipt)
    )
    """,
    "CREATE INDEX idx_orders_parent ON orders(user_id, parent) WHERE parent IS NOT NULL",
    "CREATE INDEX idx_orders_campaign_id ON orders(campaign_id) WHERE campaign_id IS NOT NULL",
    """
    CREATE TABLE receipts (
        id BIGSERIAL PRIMARY KEY,
        order_id BIGINT NOT NULL REFERENCES orders(id) ON DELETE CASCADE,
        user_id UUID NOT NULL,
        integration_id UUID,
        receipt VARCHAR(255) NOT NULL,
        type VARCHAR(20) NOT NULL,
        state VARCHAR(20) NOT NULL CONSTRAINT receipts_state_check CHECK (state IN
            ('pending', 'approved', 'rejected', 'refund', 'chargeback', 'rebill')),
        number VARCHAR(255) NOT NULL DEFAULT '',
        role VARCHAR(20) NOT NULL DEFAULT '',
        door VARCHAR(20) NOT NULL,
        verdict VARCHAR(20) NOT NULL,
        amount NUMERIC(10, 2),
        currency VARCHAR(3),
        revenue NUMERIC(10, 2),
        event_id VARCHAR(32) NOT NULL,
        item_id VARCHAR(32) NOT NULL,
        click_id VARCHAR(32),
        campaign_id UUID,
        reason VARCHAR(255),
        flags VARCHAR[] NOT NULL DEFAULT '{}',
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_receipts_order_id ON receipts(order_id)",
    "CREATE INDEX idx_receipts_user_id ON receipts(user_id, id)",
    """
    CREATE TABLE rates (
        currency VARCHAR(3) NOT NULL,
        day DATE NOT NULL,
        dollars NUMERIC(20, 10) NOT NULL CONSTRAINT rates_dollars_check
            CHECK (dollars > 0 AND dollars <> 'NaN'),
        PRIMARY KEY (currency, day)
    )
    """,
    """
    CREATE TABLE webhooks (
        id BIGSERIAL PRIMARY KEY,
        state VARCHAR NOT NULL DEFAULT 'pending' CONSTRAINT webhooks_state_check
            CHECK (state IN ('pending', 'running', 'done', 'dead')),
        outcome VARCHAR,
        reason VARCHAR,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        lease_until TIMESTAMPTZ,
        last_error TEXT,
        source VARCHAR NOT NULL,
        external_id VARCHAR NOT NULL,
        integration_id UUID,
        user_id UUID,
        type VARCHAR,
        receipt VARCHAR(255),
        body BYTEA NOT NULL,
        format INTEGER NOT NULL DEFAULT 1,
        occurred_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        UNIQUE (source, external_id)
    )
    """,
    "CREATE INDEX idx_webhooks_due ON webhooks(next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX idx_webhooks_state ON webhooks(state) WHERE state <> 'done'",
    "CREATE INDEX idx_webhooks_user_id ON webhooks(user_id, id)",
    "CREATE INDEX idx_webhooks_created_at ON webhooks(created_at)",
)

# A door hears of new, rotated and disabled keys by the log that it polls anyway.
WATCH = """
CREATE FUNCTION hopfleet_log_integrations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO link_changes (noun, key) VALUES ('integration', encode(NEW.key_digest, 'hex'));
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO link_changes (noun, key) VALUES ('integration', encode(OLD.key_digest, 'hex'));
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    op.execute(WATCH)
    op.execute(
        "CREATE TRIGGER integrations_log AFTER INSERT OR UPDATE OR DELETE ON integrations"
        " FOR EACH ROW EXECUTE FUNCTION hopfleet_log_integrations()"
    )
    op.execute(
        "CREATE TRIGGER integrations_log_truncate AFTER TRUNCATE ON integrations"
        " FOR EACH STATEMENT EXECUTE FUNCTION hopfleet_log_truncate()"
    )


def downgrade() -> None:
    for table in ("webhooks", "rates", "receipts", "orders", "integrations"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION hopfleet_log_integrations()")
