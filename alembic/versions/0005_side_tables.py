"""Side tables: what the nine have no columns for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The columns of a work row; `db/work.py` is what reads and writes them.
WORK_COLUMNS = """
    id BIGSERIAL PRIMARY KEY,
    state VARCHAR NOT NULL DEFAULT 'pending',
    outcome VARCHAR,
    reason VARCHAR,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    lease_until TIMESTAMPTZ,
    last_error TEXT
"""
WORK_TABLES = ("held_events", "purges")

TABLES = (
    """
    CREATE TABLE ledger (
        batch_id UUID PRIMARY KEY,
        stored_at TIMESTAMPTZ NOT NULL DEFAULT now()
    ) PARTITION BY RANGE (batch_id)
    """,
    """
    CREATE TABLE idempotency_keys (
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        event_id VARCHAR(255) NOT NULL,
        click_id CHAR(32) NOT NULL,
        seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, event_id)
    )
    """,
    "CREATE INDEX idx_idempotency_keys_seen_at ON idempotency_keys(seen_at)",
    f"""
    CREATE TABLE held_events ({WORK_COLUMNS},
        kind VARCHAR(20) NOT NULL,
        batch_id UUID NOT NULL,
        position INTEGER NOT NULL,
        format INTEGER NOT NULL DEFAULT 1,
        user_id UUID,
        item BYTEA NOT NULL,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        UNIQUE (batch_id, position)
    )
    """,
    "CREATE INDEX idx_held_events_user_id ON held_events(user_id) WHERE user_id IS NOT NULL",
    """
    CREATE TABLE api_keys (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        name VARCHAR(255) NOT NULL,
        prefix VARCHAR(16) NOT NULL,
        digest BYTEA NOT NULL UNIQUE,
        scopes TEXT[] NOT NULL DEFAULT '{events:write}',
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        last_used_at TIMESTAMPTZ,
        revoked_at TIMESTAMPTZ
    )
    """,
    "CREATE INDEX idx_api_keys_user_id ON api_keys(user_id)",
    """
    CREATE TABLE accounts (
        user_id UUID PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
        fallback_url TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    f"""
    CREATE TABLE purges ({WORK_COLUMNS},
        noun VARCHAR(20) NOT NULL CONSTRAINT purges_noun_check CHECK (noun IN ('user', 'campaign')),
        key UUID NOT NULL,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        UNIQUE (noun, key)
    )
    """,
)

# A day's bounds are the smallest UUIDv7 of its midnight and of the next: 48 bits of milliseconds
# first. The scheduler keeps making days ahead; these are so that a fresh database can be used.
LEDGER_DAYS = """
DO $$
DECLARE
    day date;
BEGIN
    FOR day IN SELECT generate_series(current_date - 15, current_date + 7, interval '1 day') LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF ledger FOR VALUES FROM (%L) TO (%L)',
            'ledger_' || to_char(day, 'YYYYMMDD'),
            rpad(lpad(to_hex(extract(epoch FROM day)::bigint * 1000), 12, '0'), 32, '0')::uuid,
            rpad(lpad(to_hex(extract(epoch FROM day + 1)::bigint * 1000), 12, '0'), 32, '0')::uuid);
    END LOOP;
END $$
"""


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in WORK_TABLES:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_state_check"
            " CHECK (state IN ('pending', 'running', 'done', 'dead'))"
        )
        op.execute(
            f"CREATE INDEX idx_{table}_due ON {table}(next_attempt_at) WHERE state = 'pending'"
        )
        op.execute(f"CREATE INDEX idx_{table}_state ON {table}(state)")
    for table in ("accounts", "held_events"):
        op.execute(
            f"CREATE TRIGGER {table}_updated_at BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION hopfleet_set_updated_at()"
        )
    op.execute(LEDGER_DAYS)


def downgrade() -> None:
    op.execute("DROP TABLE purges, accounts, api_keys, held_events, idempotency_keys, ledger")
