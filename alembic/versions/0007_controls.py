"""What operators have said of queues, which processes were seen, and what edits replaced."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE queue_controls (
        queue VARCHAR(20) PRIMARY KEY,
        state VARCHAR NOT NULL DEFAULT 'running'
            CONSTRAINT queue_controls_state_check
            CHECK (state IN ('running', 'draining', 'paused')),
        since TIMESTAMPTZ NOT NULL DEFAULT now(),
        marks JSONB,
        threads INTEGER
            CONSTRAINT queue_controls_threads_check CHECK (threads BETWEEN 1 AND 64)
    )
    """,
    """
    CREATE TABLE processes (
        name VARCHAR PRIMARY KEY,
        role VARCHAR(20) NOT NULL,
        queues TEXT[] NOT NULL DEFAULT '{}',
        started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "ALTER TABLE held_events ADD COLUMN original BYTEA",
)

# The campaign an item names, for whoever looks for dead letters of one; NULL where the bytes are
# no JSON object or the text is no id. A zero character is no reason not to be found.
CAMPAIGN = r"""
CREATE FUNCTION hopfleet_campaign_of(item BYTEA) RETURNS UUID
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN replace(convert_from(item, 'UTF8'), '\u0000', '')::json ->> 'campaign';
EXCEPTION WHEN others THEN
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    op.execute(CAMPAIGN)


def downgrade() -> None:
    op.execute("DROP FUNCTION hopfleet_campaign_of(BYTEA)")
    op.execute("ALTER TABLE held_events DROP COLUMN original")
    op.execute("DROP TABLE queue_controls, processes")
