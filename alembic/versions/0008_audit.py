"""The audit: what doors took in, what became of it, and what is held by which door.

Whatever deletes a held event is counted as discarded, by a trigger: also a person's SQL.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE door_counts (
        process VARCHAR NOT NULL,
        minute TIMESTAMPTZ NOT NULL,
        door VARCHAR NOT NULL,
        offered BIGINT NOT NULL,
        acked BIGINT NOT NULL,
        refused BIGINT NOT NULL,
        dropped BIGINT NOT NULL,
        PRIMARY KEY (process, minute, door)
    )
    """,
    """
    CREATE TABLE event_outcomes (
        id BIGSERIAL PRIMARY KEY,
        minute TIMESTAMPTZ NOT NULL,
        door VARCHAR NOT NULL,
        outcome VARCHAR NOT NULL,
        items BIGINT NOT NULL
    )
    """,
    "CREATE INDEX idx_event_outcomes_minute ON event_outcomes(minute)",
    """
    CREATE TABLE host_spools (
        place VARCHAR PRIMARY KEY,
        bytes BIGINT NOT NULL,
        oldest_at TIMESTAMPTZ,
        seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    # The backslash keeps SQLAlchemy from reading a parameter.
    r"ALTER TABLE held_events ADD COLUMN doors VARCHAR NOT NULL DEFAULT '?\:1'",
)

# The minute inside a UUIDv7: its first 48 bits are milliseconds since 1970.
FUNCTION = r"""
CREATE FUNCTION hopfleet_count_discarded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO event_outcomes (minute, door, outcome, items)
    SELECT to_timestamp(floor(
            ('x' || left(replace(OLD.batch_id::text, '-', ''), 12))::bit(48)::bigint / 60000) * 60),
        split_part(part, '\:', 1), 'discarded', split_part(part, '\:', 2)::bigint
    FROM unnest(string_to_array(OLD.doors, ',')) AS part
    WHERE part ~ '^[^\:]+\:[0-9]{1,9}$';
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE TRIGGER held_events_count_discarded AFTER DELETE ON held_events
FOR EACH ROW WHEN (OLD.state <> 'done') EXECUTE FUNCTION hopfleet_count_discarded()
"""


def upgrade() -> None:
    for statement in (*TABLES, FUNCTION, TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER held_events_count_discarded ON held_events")
    op.execute("DROP FUNCTION hopfleet_count_discarded()")
    op.execute("ALTER TABLE held_events DROP COLUMN doors")
    op.execute("DROP TABLE host_spools, event_outcomes, door_counts")
