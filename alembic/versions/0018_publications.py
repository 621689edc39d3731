"""Publications: which posts are to be published when, by triggers, whoever writes them."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE = (
    """
    CREATE TABLE publications (
        id BIGSERIAL PRIMARY KEY,
        state VARCHAR NOT NULL DEFAULT 'pending' CONSTRAINT publications_state_check
            CHECK (state IN ('pending', 'running', 'done', 'dead')),
        outcome VARCHAR,
        reason VARCHAR,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        lease_until TIMESTAMPTZ,
        last_error TEXT,
        content_id UUID UNIQUE REFERENCES content(id) ON DELETE CASCADE,
        user_id UUID NOT NULL,
        held BOOLEAN NOT NULL DEFAULT false,
        depth INTEGER NOT NULL DEFAULT 0,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_publications_due ON publications(next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX idx_publications_state ON publications(state) WHERE state <> 'pending'",
    "CREATE INDEX idx_publications_held ON publications(user_id, id) WHERE held",
    "CREATE INDEX idx_publications_tried ON publications(id) WHERE attempts > 0",
)

# Times that Python cannot read, infinity among them, are due at once or never.
PLAN = """
CREATE FUNCTION hopfleet_plan_content() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.status = 'scheduled' AND NEW.scheduled_for IS NOT NULL THEN
        INSERT INTO publications (content_id, user_id, next_attempt_at, depth)
        VALUES (NEW.id, NEW.user_id,
            least(greatest(NEW.scheduled_for, to_timestamp(0)), '9999-12-31 00:00:00+00'),
            -- How many workflows it is the consequence of, as the one that plans it says.
            coalesce(substring(current_setting('hopfleet.depth', true)
                FROM '^[0-9]{1,4}$')::int, 0))
        ON CONFLICT (content_id) DO UPDATE SET user_id = EXCLUDED.user_id,
            depth = EXCLUDED.depth,
            next_attempt_at = EXCLUDED.next_attempt_at, state = 'pending', held = false,
            attempts = 0, reason = NULL, last_error = NULL;
    ELSE
        DELETE FROM publications WHERE content_id = NEW.id;
    END IF;
    RETURN NULL;
END $$
"""

# Only says that somebody may go on: the posts themselves are touched by who holds them.
RESUME = """
CREATE FUNCTION hopfleet_resume_content() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO publications (user_id) VALUES (NEW.id);
    RETURN NULL;
END $$
"""

TRIGGERS = (
    "CREATE TRIGGER content_plan_insert AFTER INSERT ON content FOR EACH ROW"
    " WHEN (NEW.status = 'scheduled' AND NEW.scheduled_for IS NOT NULL)"
    " EXECUTE FUNCTION hopfleet_plan_content()",
    "CREATE TRIGGER content_plan_update AFTER UPDATE ON content FOR EACH ROW"
    " WHEN ((OLD.status = 'scheduled' OR NEW.status = 'scheduled')"
    "  AND (OLD.status, OLD.scheduled_for, OLD.user_id)"
    "   IS DISTINCT FROM (NEW.status, NEW.scheduled_for, NEW.user_id))"
    " EXECUTE FUNCTION hopfleet_plan_content()",
    "CREATE TRIGGER users_resume_content AFTER UPDATE ON users FOR EACH ROW"
    " WHEN (OLD.status IN ('suspended', 'canceled')"
    "  AND NEW.status NOT IN ('suspended', 'canceled'))"
    " EXECUTE FUNCTION hopfleet_resume_content()",
)

EXISTING = """
INSERT INTO publications (content_id, user_id, next_attempt_at)
SELECT id, user_id, least(greatest(scheduled_for, to_timestamp(0)), '9999-12-31 00:00:00+00')
FROM content WHERE status = 'scheduled' AND scheduled_for IS NOT NULL
"""


def upgrade() -> None:
    for statement in (*TABLE, PLAN, RESUME, *TRIGGERS, EXISTING):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER users_resume_content ON users")
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER content_plan_{event} ON content")
    op.execute("DROP FUNCTION hopfleet_resume_content()")
    op.execute("DROP FUNCTION hopfleet_plan_content()")
    op.execute("DROP TABLE publications")
