"""Billing: Stripe's customers and what their subscriptions were, prices, holds, and changes."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE stripe_customers (
        customer_id VARCHAR(255) PRIMARY KEY,
        user_id UUID REFERENCES users(id) ON DELETE CASCADE,
        sequence BIGINT NOT NULL DEFAULT 0,
        written BIGINT NOT NULL DEFAULT 0,
        deleted_at TIMESTAMPTZ,
        grace_ends_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_stripe_customers_user_id ON stripe_customers(user_id)",
    "CREATE INDEX idx_stripe_customers_unbound ON stripe_customers(customer_id)"
    " WHERE user_id IS NULL",
    "CREATE INDEX idx_stripe_customers_grace ON stripe_customers(grace_ends_at)"
    " WHERE grace_ends_at IS NOT NULL",
    """
    CREATE TABLE stripe_states (
        customer_id VARCHAR(255) NOT NULL REFERENCES stripe_customers(customer_id)
            ON DELETE CASCADE,
        subscription_id VARCHAR(255) NOT NULL,
        event_id VARCHAR(255) NOT NULL,
        made_at TIMESTAMPTZ NOT NULL,
        status VARCHAR NOT NULL,
        prices JSONB NOT NULL DEFAULT '[]',
        begun_at TIMESTAMPTZ,
        trial_end TIMESTAMPTZ,
        ended_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (customer_id, subscription_id, event_id)
    )
    """,
    """
    CREATE TABLE stripe_prices (
        price_id VARCHAR(255) PRIMARY KEY,
        lookup_key VARCHAR(255),
        product_id VARCHAR(255),
        tier VARCHAR(50),
        by_hand BOOLEAN NOT NULL DEFAULT false,
        period VARCHAR(20),
        livemode BOOLEAN,
        made_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_stripe_prices_product_id ON stripe_prices(product_id)",
    """
    CREATE TABLE user_holds (
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        kind VARCHAR(20) NOT NULL CONSTRAINT user_holds_kind_check
            CHECK (kind IN ('admin', 'dispute', 'fraud')),
        ref VARCHAR(255) NOT NULL DEFAULT '',
        event_id VARCHAR(255) NOT NULL DEFAULT '',
        made_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        status_before VARCHAR(50) NOT NULL DEFAULT 'active',
        lifted_at TIMESTAMPTZ,
        PRIMARY KEY (user_id, kind, ref)
    )
    """,
    """
    CREATE TABLE user_changes (
        id BIGSERIAL PRIMARY KEY,
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        cause VARCHAR(255) NOT NULL,
        before JSONB NOT NULL,
        after JSONB NOT NULL,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_user_changes_user_id ON user_changes(user_id, id)",
    "CREATE INDEX idx_users_stripe_customer_id ON users(stripe_customer_id)"
    " WHERE stripe_customer_id IS NOT NULL",
    "CREATE INDEX idx_users_trial_ends_at ON users(trial_ends_at) WHERE status = 'trial'",
)

# Who suspends an account by hand, also by plain SQL, means it: no payment lifts that. Whoever
# gives it another status by hand lifts all that held it. Billing's own writes are no hold.
HOLD = """
CREATE FUNCTION hopfleet_hold_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF current_setting('hopfleet.billing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF NEW.status = 'suspended' THEN
        INSERT INTO user_holds (user_id, kind, status_before)
        VALUES (NEW.id, 'admin', CASE TG_OP WHEN 'UPDATE' THEN OLD.status ELSE 'active' END)
        ON CONFLICT (user_id, kind, ref) DO UPDATE
        SET lifted_at = NULL, status_before = EXCLUDED.status_before, made_at = now();
    ELSE
        UPDATE user_holds SET lifted_at = now() WHERE user_id = NEW.id AND lifted_at IS NULL;
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    op.execute(HOLD)
    op.execute(
        "CREATE TRIGGER users_hold_insert AFTER INSERT ON users"
        " FOR EACH ROW WHEN (NEW.status = 'suspended') EXECUTE FUNCTION hopfleet_hold_user()"
    )
    op.execute(
        "CREATE TRIGGER users_hold_update AFTER UPDATE OF status ON users"
        " FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)"
        " EXECUTE FUNCTION hopfleet_hold_user()"
    )
    op.execute(
        "INSERT INTO user_holds (user_id, kind) SELECT id, 'admin' FROM users"
        " WHERE status = 'suspended'"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER users_hold_update ON users")
    op.execute("DROP TRIGGER users_hold_insert ON users")
    op.execute("DROP FUNCTION hopfleet_hold_user()")
    op.execute("DROP INDEX idx_users_trial_ends_at")
    op.execute("DROP INDEX idx_users_stripe_customer_id")
    for table in ("user_changes", "user_holds", "stripe_prices", "stripe_states",
                  "stripe_customers"):
        op.execute(f"DROP TABLE {table}")
