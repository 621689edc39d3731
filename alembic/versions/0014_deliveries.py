"""Bonuses on their way: deliveries, each attempt to send one, and buyers' claims."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_WORK = """
        id BIGSERIAL PRIMARY KEY,
        state VARCHAR NOT NULL DEFAULT 'pending' CONSTRAINT {0}_state_check
            CHECK (state IN ('pending', 'running', 'done', 'dead')),
        outcome VARCHAR,
        reason VARCHAR,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        lease_until TIMESTAMPTZ,
        last_error TEXT
"""

TABLES = (
    f"""
    CREATE TABLE bonus_deliveries ({_WORK.format("bonus_deliveries")},
        kind VARCHAR(20) NOT NULL,
        lane VARCHAR NOT NULL DEFAULT '',
        user_id UUID NOT NULL,
        campaign_id UUID NOT NULL,
        bonus_id UUID NOT NULL,
        order_id BIGINT NOT NULL REFERENCES orders(id) ON DELETE CASCADE,
        receipt VARCHAR(255) NOT NULL,
        event_id VARCHAR(32),
        address BYTEA,
        address_digest BYTEA,
        repeats INTEGER NOT NULL DEFAULT 0,
        tries INTEGER NOT NULL DEFAULT 0,
        delivered_at TIMESTAMPTZ,
        revoked_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        UNIQUE (order_id, bonus_id)
    )
    """,
    "CREATE INDEX idx_bonus_deliveries_due ON bonus_deliveries(kind, lane, next_attempt_at)"
    " WHERE state = 'pending'",
    "CREATE INDEX idx_bonus_deliveries_next ON bonus_deliveries(kind, next_attempt_at)"
    " WHERE state = 'pending'",
    "CREATE INDEX idx_bonus_deliveries_state ON bonus_deliveries(state, next_attempt_at)"
    " WHERE state <> 'done'",
    """
    CREATE TABLE delivery_attempts (
        id BIGSERIAL PRIMARY KEY,
        delivery_id BIGINT NOT NULL REFERENCES bonus_deliveries(id) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        repeat INTEGER NOT NULL DEFAULT 0,
        server VARCHAR NOT NULL,
        outcome VARCHAR,
        code INTEGER,
        said TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        ended_at TIMESTAMPTZ
    )
    """,
    "CREATE INDEX idx_delivery_attempts_delivery_id ON delivery_attempts(delivery_id)",
    """
    CREATE TABLE bonus_downloads (
        id BIGSERIAL PRIMARY KEY,
        delivery_id BIGINT NOT NULL REFERENCES bonus_deliveries(id) ON DELETE CASCADE,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_bonus_downloads_delivery_id ON bonus_downloads(delivery_id)",
    f"""
    CREATE TABLE bonus_claims ({_WORK.format("bonus_claims")},
        item_id VARCHAR(32) NOT NULL UNIQUE,
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        campaign_id UUID NOT NULL,
        receipt VARCHAR(255) NOT NULL,
        folded VARCHAR(255) NOT NULL,
        address BYTEA,
        network VARCHAR NOT NULL DEFAULT '',
        order_id BIGINT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_bonus_claims_due ON bonus_claims(next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX idx_bonus_claims_state ON bonus_claims(state) WHERE state <> 'done'",
    "CREATE INDEX idx_bonus_claims_receipt ON bonus_claims(user_id, folded, created_at)",
    "CREATE INDEX idx_bonus_claims_network ON bonus_claims(user_id, network, created_at)"
    " WHERE network <> ''",
    "CREATE INDEX idx_bonus_claims_created_at ON bonus_claims(created_at)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("bonus_claims", "bonus_downloads", "delivery_attempts", "bonus_deliveries"):
        op.execute(f"DROP TABLE {table}")
