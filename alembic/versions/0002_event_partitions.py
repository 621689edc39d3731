"""Events by month: `analytics_events` becomes a partitioned table, and its rows stay.

A partitioned table's primary key must hold the partition key, so it becomes (id, created_at).
There is no default partition: attaching a month would have to read it all.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = "id, user_id, campaign_id, event_type, source, metadata, revenue, created_at"

# The columns as they are, in the same order; the sequence goes on counting where it is.
TABLE = """
CREATE TABLE analytics_events (
    id BIGINT NOT NULL DEFAULT nextval('analytics_events_id_seq'),
    user_id UUID NOT NULL,
    campaign_id UUID,
    event_type VARCHAR(50) NOT NULL,
    source VARCHAR(255),
    metadata JSONB,
    revenue DECIMAL(10, 2),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
) {partition_by};
ALTER SEQUENCE analytics_events_id_seq OWNED BY analytics_events.id
"""

# After the rows are in: an index is built faster than it is kept.
KEYS = """
ALTER TABLE analytics_events ADD CONSTRAINT analytics_events_pkey PRIMARY KEY ({key});
CREATE INDEX idx_analytics_user_id ON analytics_events(user_id);
CREATE INDEX idx_analytics_campaign_id ON analytics_events(campaign_id);
CREATE INDEX idx_analytics_event_type ON analytics_events(event_type);
CREATE INDEX idx_analytics_created_at ON analytics_events(created_at);
CREATE INDEX idx_analytics_composite
    ON analytics_events(user_id, campaign_id, event_type, created_at);
ALTER TABLE analytics_events ADD CONSTRAINT analytics_events_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE analytics_events ADD CONSTRAINT analytics_events_campaign_id_fkey
    FOREIGN KEY (campaign_id) REFERENCES campaigns(id) ON DELETE CASCADE;
"""

# Every month that has rows, and those that clients may write into: 90 days back, 3 months ahead.
# Months are those of UTC, whatever the session's time zone is.
MONTHS = """
DO $$
DECLARE
    month timestamp;
BEGIN
    FOR month IN
        SELECT DISTINCT date_trunc('month', created_at AT TIME ZONE 'UTC') FROM old_events
        UNION
        SELECT generate_series(
            date_trunc('month', now() AT TIME ZONE 'UTC' - interval '90 days'),
            date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months',
            interval '1 month')
    LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF analytics_events FOR VALUES FROM (%L) TO (%L)',
            'analytics_events_' || to_char(month, 'YYYY_MM'),
            month::text || '+00',
            (month + interval '1 month')::text || '+00');
    END LOOP;
END $$
"""


def set_aside() -> None:
    """Move the table, and the names it would share with its successor, out of the way."""
    op.execute("LOCK TABLE analytics_events IN ACCESS EXCLUSIVE MODE")
    # A sequence cannot change its owner's table while the default hangs on it.
    op.execute("ALTER SEQUENCE analytics_events_id_seq OWNED BY NONE")
    op.execute("ALTER TABLE analytics_events RENAME TO old_events")
    op.execute("ALTER TABLE old_events RENAME CONSTRAINT analytics_events_pkey TO old_events_pkey")
    for column in ("user_id", "campaign_id", "event_type", "created_at"):
        op.execute(f"DROP INDEX idx_analytics_{column}")
    op.execute("DROP INDEX idx_analytics_composite")


def move_rows() -> None:
    """Copy what there was, then drop where it was."""
    op.execute(
        f"INSERT INTO analytics_events ({COLUMNS}) SELECT {COLUMNS} FROM old_events ORDER BY id"
    )
    op.execute("DROP TABLE old_events")


def execute(script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement)


def upgrade() -> None:
    set_aside()
    execute(TABLE.format(partition_by="PARTITION BY RANGE (created_at)"))
    op.execute(MONTHS)
    move_rows()
    execute(KEYS.format(key="id, created_at"))


def downgrade() -> None:
    set_aside()
    execute(TABLE.format(partition_by=""))
    move_rows()
    execute(KEYS.format(key="id"))
