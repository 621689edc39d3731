"""The link change log: whoever changes a link, a user or a key, the doors hear of it.

Triggers per statement write the log, so that the platform's own application, which changes the
tables by SQL, need not know of it. They run as the tables' owner: a role that may write
campaigns need not have rights on the log. Nothing is logged when nothing changed that a door
looks at.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE link_changes (
    id BIGSERIAL PRIMARY KEY,
    xact XID8 NOT NULL DEFAULT pg_current_xact_id(),
    noun VARCHAR(20) NOT NULL,
    key TEXT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""

FUNCTION = """
CREATE FUNCTION hopfleet_log_{name}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
{body}
    RETURN NULL;
END $$
"""

# Per table: the noun, what the key is, and the columns whose change matters (of a row's old and
# new state both keys are logged). `id` pairs the two states.
WATCHED = {
    "campaigns": (
        "link",
        "{row}.tracking_id",
        "id",
        ("tracking_id", "affiliate_link", "status", "settings", "user_id"),
    ),
    "users": ("user", "{row}.id::text", "id", ("status",)),
    "accounts": ("user", "{row}.user_id::text", "user_id", ("fallback_url",)),
    "api_keys": (
        "key",
        "encode({row}.digest, 'hex')",
        "id",
        ("user_id", "digest", "scopes", "revoked_at"),
    ),
}
# A new user has no links and no keys yet.
EVENTS = {
    "campaigns": ("INSERT", "UPDATE", "DELETE"),
    "users": ("UPDATE", "DELETE"),
    "accounts": ("INSERT", "UPDATE", "DELETE"),
    "api_keys": ("INSERT", "UPDATE", "DELETE"),
    "purges": ("INSERT", "UPDATE", "DELETE"),
}
STATES = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}
TRUNCATED = ("campaigns", "users", "accounts", "api_keys", "purges")

WATCH = """
    IF TG_OP = 'INSERT' THEN
        INSERT INTO link_changes (noun, key)
        SELECT '{noun}', {new_key} FROM new_rows n WHERE {new_key} IS NOT NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO link_changes (noun, key)
        SELECT '{noun}', {old_key} FROM old_rows o WHERE {old_key} IS NOT NULL;
    ELSE
        INSERT INTO link_changes (noun, key)
        SELECT DISTINCT '{noun}', changed.key
        FROM old_rows o FULL JOIN new_rows n USING ({pair})
        CROSS JOIN LATERAL (VALUES ({old_key}), ({new_key})) AS changed (key)
        WHERE changed.key IS NOT NULL
          AND ROW({old_columns}) IS DISTINCT FROM ROW({new_columns});
    END IF;
"""

# A row that is marked for deletion, or no longer, is one whose links appear or disappear.
# What a campaign's mark means to a door is its tracking id.
WATCH_PURGES = """
    IF TG_OP = 'INSERT' THEN
        PERFORM hopfleet_log_marked(noun, key) FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM hopfleet_log_marked(noun, key) FROM old_rows;
    ELSE
        PERFORM hopfleet_log_marked(n.noun, n.key)
        FROM old_rows o JOIN new_rows n USING (id)
        WHERE (o.state = 'done') <> (n.state = 'done');
    END IF;
"""

MARKED = """
CREATE FUNCTION hopfleet_log_marked(noun varchar, key uuid) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO link_changes (noun, key)
    SELECT 'user', $2::text WHERE $1 = 'user'
    UNION ALL
    SELECT 'link', tracking_id FROM campaigns
    WHERE $1 = 'campaign' AND id = $2 AND tracking_id IS NOT NULL
$$
"""

FORGET_ALL = """
    INSERT INTO link_changes (noun, key) VALUES ('all', TG_TABLE_NAME);
"""


def watch_body(table: str) -> str:
    noun, key, pair, columns = WATCHED[table]
    return WATCH.format(
        noun=noun,
        old_key=key.format(row="o"),
        new_key=key.format(row="n"),
        pair=pair,
        old_columns=", ".join(f"o.{column}" for column in columns),
        new_columns=", ".join(f"n.{column}" for column in columns),
    )


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("CREATE INDEX idx_link_changes_xact ON link_changes(xact)")
    op.execute("CREATE INDEX idx_link_changes_changed_at ON link_changes(changed_at)")
    op.execute("CREATE INDEX idx_link_changes_pruned ON link_changes(id) WHERE noun = 'pruned'")
    for table in WATCHED:
        op.execute(FUNCTION.format(name=table, body=watch_body(table)))
    op.execute(MARKED)
    op.execute(FUNCTION.format(name="purges", body=WATCH_PURGES))
    op.execute(FUNCTION.format(name="truncate", body=FORGET_ALL))
    for table, events in EVENTS.items():
        for event in events:
            op.execute(
                f"CREATE TRIGGER {table}_log_{event.lower()} AFTER {event} ON {table}"
                f" REFERENCING {STATES[event]}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION hopfleet_log_{table}()"
            )
    for table in TRUNCATED:
        op.execute(
            f"CREATE TRIGGER {table}_log_truncate AFTER TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION hopfleet_log_truncate()"
        )


def downgrade() -> None:
    for table in TRUNCATED:
        op.execute(f"DROP TRIGGER {table}_log_truncate ON {table}")
    for table, events in EVENTS.items():
        for event in events:
            op.execute(f"DROP TRIGGER {table}_log_{event.lower()} ON {table}")
        op.execute(f"DROP FUNCTION hopfleet_log_{table}()")
    op.execute("DROP FUNCTION hopfleet_log_marked(varchar, uuid)")
    op.execute("DROP FUNCTION hopfleet_log_truncate()")
    op.execute("DROP TABLE link_changes")
