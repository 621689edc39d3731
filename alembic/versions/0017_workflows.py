"""Workflows: versions, runs and their steps, calls to the outside, events and who waits for them.

`workflows.next_run_at` stays the only schedule. Triggers see to it, whoever writes the row, that
a changed definition becomes a version, that what is not active has no next time, and that a
scheduler looks at it again.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
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
    """
    CREATE TABLE workflow_versions (
        workflow_id UUID NOT NULL REFERENCES workflows(id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        name VARCHAR(255) NOT NULL,
        trigger_type VARCHAR(100) NOT NULL,
        trigger_config JSONB,
        conditions JSONB,
        actions JSONB NOT NULL,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (workflow_id, version)
    )
    """,
    """
    CREATE TABLE workflow_states (
        workflow_id UUID PRIMARY KEY REFERENCES workflows(id) ON DELETE CASCADE,
        user_id UUID NOT NULL,
        version INTEGER NOT NULL,
        checked BOOLEAN NOT NULL DEFAULT false,
        problem TEXT,
        listens VARCHAR(50),
        failures INTEGER NOT NULL DEFAULT 0,
        told_at TIMESTAMPTZ,
        hook_number INTEGER NOT NULL DEFAULT 1
    )
    """,
    "CREATE INDEX idx_workflow_states_unchecked ON workflow_states(workflow_id) WHERE NOT checked",
    "CREATE INDEX idx_workflow_states_listens ON workflow_states(listens, user_id)"
    " WHERE listens IS NOT NULL",
    f"""
    CREATE TABLE workflow_runs ({_WORK.format("workflow_runs")},
        workflow_id UUID NOT NULL REFERENCES workflows(id) ON DELETE CASCADE,
        user_id UUID NOT NULL,
        version INTEGER NOT NULL,
        trigger VARCHAR(20) NOT NULL,
        due_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        cause VARCHAR(255) NOT NULL DEFAULT '',
        ready BOOLEAN NOT NULL DEFAULT true,
        queued BOOLEAN NOT NULL DEFAULT false,
        campaign_id UUID,
        input JSONB,
        depth INTEGER NOT NULL DEFAULT 0,
        parent_id BIGINT,
        cancel BOOLEAN NOT NULL DEFAULT false,
        losses INTEGER NOT NULL DEFAULT 0,
        started_at TIMESTAMPTZ,
        ended_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        UNIQUE (workflow_id, due_at, cause)
    )
    """,
    "CREATE INDEX idx_workflow_runs_ready ON workflow_runs(user_id, id)"
    " WHERE state = 'pending' AND ready",
    "CREATE INDEX idx_workflow_runs_waiting ON workflow_runs(next_attempt_at)"
    " WHERE state = 'pending' AND NOT ready",
    "CREATE INDEX idx_workflow_runs_active ON workflow_runs(workflow_id)"
    " WHERE state IN ('pending', 'running')",
    "CREATE INDEX idx_workflow_runs_queued ON workflow_runs(workflow_id)"
    " WHERE state = 'pending' AND queued",
    "CREATE INDEX idx_workflow_runs_leases ON workflow_runs(lease_until) WHERE state = 'running'",
    "CREATE INDEX idx_workflow_runs_dead ON workflow_runs(id) WHERE state = 'dead'",
    "CREATE INDEX idx_workflow_runs_ended_at ON workflow_runs(ended_at) WHERE ended_at IS NOT NULL",
    """
    CREATE TABLE workflow_steps (
        run_id BIGINT NOT NULL REFERENCES workflow_runs(id) ON DELETE CASCADE,
        path VARCHAR(100) NOT NULL,
        name VARCHAR(255) NOT NULL,
        action VARCHAR(50) NOT NULL,
        state VARCHAR NOT NULL CONSTRAINT workflow_steps_state_check
            CHECK (state IN ('pending', 'running', 'done', 'dead')),
        outcome VARCHAR,
        attempt INTEGER NOT NULL DEFAULT 1,
        key VARCHAR(64) NOT NULL,
        input JSONB,
        output JSONB,
        error TEXT,
        started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        ended_at TIMESTAMPTZ,
        PRIMARY KEY (run_id, path)
    )
    """,
    f"""
    CREATE TABLE calls ({_WORK.format("calls")},
        kind VARCHAR(20) NOT NULL,
        lane VARCHAR(255) NOT NULL DEFAULT '',
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        run_id BIGINT REFERENCES workflow_runs(id) ON DELETE CASCADE,
        path VARCHAR(100),
        key VARCHAR(64) NOT NULL UNIQUE,
        request BYTEA,
        on_unknown VARCHAR(20) NOT NULL DEFAULT 'retry',
        most_tries INTEGER NOT NULL DEFAULT 8,
        timeout_seconds DOUBLE PRECISION NOT NULL DEFAULT 15,
        tries INTEGER NOT NULL DEFAULT 0,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        ended_at TIMESTAMPTZ
    )
    """,
    "CREATE INDEX idx_calls_due ON calls(kind, lane, next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX idx_calls_next ON calls(kind, next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX idx_calls_state ON calls(state, next_attempt_at) WHERE state <> 'done'",
    "CREATE INDEX idx_calls_run_id ON calls(run_id)",
    "CREATE INDEX idx_calls_ended_at ON calls(ended_at) WHERE ended_at IS NOT NULL",
    """
    CREATE TABLE call_attempts (
        id BIGSERIAL PRIMARY KEY,
        call_id BIGINT NOT NULL REFERENCES calls(id) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        outcome VARCHAR,
        status INTEGER,
        milliseconds INTEGER,
        said TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        ended_at TIMESTAMPTZ
    )
    """,
    "CREATE INDEX idx_call_attempts_call_id ON call_attempts(call_id)",
    f"""
    CREATE TABLE workflow_events ({_WORK.format("workflow_events")},
        kind VARCHAR(50) NOT NULL,
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        workflow_id UUID,
        campaign_id UUID,
        ref VARCHAR(255) NOT NULL DEFAULT '',
        data JSONB NOT NULL,
        depth INTEGER NOT NULL DEFAULT 0,
        occurred_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_workflow_events_due ON workflow_events(next_attempt_at)"
    " WHERE state = 'pending'",
    "CREATE INDEX idx_workflow_events_state ON workflow_events(state)",
    "CREATE INDEX idx_workflow_events_latest ON workflow_events(user_id, kind, id)"
    " WHERE state = 'done'",
    f"""
    CREATE TABLE workflow_gathers ({_WORK.format("workflow_gathers")},
        workflow_id UUID NOT NULL REFERENCES workflows(id) ON DELETE CASCADE,
        key VARCHAR(255) NOT NULL DEFAULT '',
        number INTEGER NOT NULL DEFAULT 0,
        events JSONB NOT NULL DEFAULT '[]',
        first_at TIMESTAMPTZ,
        fired_at TIMESTAMPTZ,
        UNIQUE (workflow_id, key)
    )
    """,
    "CREATE INDEX idx_workflow_gathers_due ON workflow_gathers(next_attempt_at)"
    " WHERE state = 'pending'",
    "CREATE INDEX idx_workflow_gathers_state ON workflow_gathers(state)",
    """
    CREATE TABLE workflow_waits (
        run_id BIGINT PRIMARY KEY REFERENCES workflow_runs(id) ON DELETE CASCADE,
        path VARCHAR(100) NOT NULL,
        user_id UUID NOT NULL,
        kind VARCHAR(50) NOT NULL,
        filter JSONB NOT NULL DEFAULT '[]',
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_workflow_waits_kind ON workflow_waits(kind, user_id)",
    """
    CREATE TABLE workflow_secrets (
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        name VARCHAR(100) NOT NULL,
        sealed BYTEA NOT NULL,
        updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, name)
    )
    """,
    """
    CREATE TABLE workflow_notes (
        id BIGSERIAL PRIMARY KEY,
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        workflow_id UUID,
        run_id BIGINT,
        campaign_id UUID,
        text TEXT NOT NULL,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idx_workflow_notes_user_id ON workflow_notes(user_id, id)",
    """
    CREATE TABLE notices (
        user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        kind VARCHAR(50) NOT NULL,
        ref VARCHAR(255) NOT NULL DEFAULT '',
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, kind, ref)
    )
    """,
    """
    CREATE TABLE chores (
        name VARCHAR(50) PRIMARY KEY,
        due_at TIMESTAMPTZ NOT NULL,
        done_at TIMESTAMPTZ
    )
    """,
    # Each fire writes the row anew: room for it on its page, and vacuum before it grows.
    "ALTER TABLE workflows SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0)",
)

# A next time belongs to the definition it was computed from, and to what is active.
UNPLAN = """
CREATE FUNCTION hopfleet_unplan_workflow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.next_run_at := NULL;
    RETURN NEW;
END $$
"""

# Versions are numbered under the lock of the workflow's own row.
LOG = """
CREATE FUNCTION hopfleet_log_workflow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    newest INTEGER;
BEGIN
    SELECT version INTO newest FROM workflow_states WHERE workflow_id = NEW.id;
    IF newest IS NULL OR
        (OLD.name, OLD.trigger_type, OLD.trigger_config, OLD.conditions, OLD.actions)
        IS DISTINCT FROM
        (NEW.name, NEW.trigger_type, NEW.trigger_config, NEW.conditions, NEW.actions)
    THEN
        newest := coalesce(newest, 0) + 1;
        INSERT INTO workflow_versions
            (workflow_id, version, name, trigger_type, trigger_config, conditions, actions)
        VALUES (NEW.id, newest, NEW.name, NEW.trigger_type, NEW.trigger_config, NEW.conditions,
            NEW.actions);
    END IF;
    INSERT INTO workflow_states AS s (workflow_id, user_id, version)
    VALUES (NEW.id, NEW.user_id, newest)
    ON CONFLICT (workflow_id) DO UPDATE SET user_id = EXCLUDED.user_id,
        version = EXCLUDED.version, checked = false,
        failures = CASE WHEN OLD.status IS DISTINCT FROM NEW.status AND NEW.status = 'active'
            THEN 0 ELSE s.failures END,
        problem = CASE WHEN NEW.status = 'active' THEN NULL ELSE s.problem END,
        listens = CASE WHEN NEW.status = 'active' THEN s.listens END;
    RETURN NULL;
END $$
"""

TRIGGERS = (
    "CREATE TRIGGER workflows_unplan_insert BEFORE INSERT ON workflows FOR EACH ROW"
    " WHEN (NEW.status <> 'active' AND NEW.next_run_at IS NOT NULL)"
    " EXECUTE FUNCTION hopfleet_unplan_workflow()",
    "CREATE TRIGGER workflows_unplan_time BEFORE UPDATE OF next_run_at ON workflows FOR EACH ROW"
    " WHEN (NEW.status <> 'active' AND NEW.next_run_at IS NOT NULL)"
    " EXECUTE FUNCTION hopfleet_unplan_workflow()",
    # A time that is set together with the definition was meant.
    "CREATE TRIGGER workflows_unplan_change"
    " BEFORE UPDATE OF status, trigger_type, trigger_config ON workflows FOR EACH ROW"
    " WHEN (NEW.next_run_at IS NOT NULL AND (NEW.status <> 'active'"
    "  OR (NEW.next_run_at = OLD.next_run_at"
    "   AND (OLD.status, OLD.trigger_type, OLD.trigger_config)"
    "    IS DISTINCT FROM (NEW.status, NEW.trigger_type, NEW.trigger_config))))"
    " EXECUTE FUNCTION hopfleet_unplan_workflow()",
    "CREATE TRIGGER workflows_log_insert AFTER INSERT ON workflows FOR EACH ROW"
    " EXECUTE FUNCTION hopfleet_log_workflow()",
    # The scheduler's own updates name none of these columns.
    "CREATE TRIGGER workflows_log_update AFTER UPDATE OF name, trigger_type, trigger_config,"
    " conditions, actions, status, user_id ON workflows FOR EACH ROW"
    " EXECUTE FUNCTION hopfleet_log_workflow()",
    "CREATE TRIGGER workflows_log_time AFTER UPDATE OF next_run_at ON workflows FOR EACH ROW"
    " WHEN (NEW.next_run_at IS NULL AND NEW.status = 'active'"
    "  AND NEW.trigger_type = 'scheduled')"
    " EXECUTE FUNCTION hopfleet_log_workflow()",
)

EXISTING = (
    "INSERT INTO workflow_versions (workflow_id, version, name, trigger_type, trigger_config,"
    " conditions, actions) SELECT id, 1, name, trigger_type, trigger_config, conditions, actions"
    " FROM workflows",
    "INSERT INTO workflow_states (workflow_id, user_id, version)"
    " SELECT id, user_id, 1 FROM workflows",
    "UPDATE workflows SET next_run_at = NULL WHERE status <> 'active' AND next_run_at IS NOT NULL",
)


def upgrade() -> None:
    for statement in (*TABLES, UNPLAN, LOG, *TRIGGERS, *EXISTING):
        op.execute(statement)


def downgrade() -> None:
    for name in (
        "unplan_insert",
        "unplan_time",
        "unplan_change",
        "log_insert",
        "log_update",
        "log_time",
    ):
        op.execute(f"DROP TRIGGER workflows_{name} ON workflows")
    op.execute("DROP FUNCTION hopfleet_log_workflow()")
    op.execute("DROP FUNCTION hopfleet_unplan_workflow()")
    op.execute(
        "ALTER TABLE workflows RESET (fillfactor, autovacuum_vacuum_scale_factor,"
        " autovacuum_vacuum_cost_delay)"
    )
    for table in (
        "chores",
        "notices",
        "workflow_notes",
        "workflow_secrets",
        "workflow_waits",
        "workflow_gathers",
        "workflow_events",
        "call_attempts",
        "calls",
        "workflow_steps",
        "workflow_runs",
        "workflow_states",
        "workflow_versions",
    ):
        op.execute(f"DROP TABLE {table}")
