"""Happenings: what changed by SQL is told to whoever listens, and told facts are claimed fairly.

Whoever changes the tables, the platform's own application included, causes the same facts. The
triggers run as the tables' owner, and cost a look at two small indexes while nobody listens.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = (
    # Of a product nobody is the owner: one fact, whoever listens.
    "ALTER TABLE workflow_events ALTER COLUMN user_id DROP NOT NULL",
    "CREATE INDEX idx_workflow_events_pending ON workflow_events(user_id, id)"
    " WHERE state = 'pending'",
)

ISO = """
CREATE FUNCTION hopfleet_iso(moment timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN isfinite(moment)
        THEN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.MS"Z"') END
$$
"""

# How many workflows and events led here, as the executor says within its transaction.
DEPTH = """
CREATE FUNCTION hopfleet_depth() RETURNS integer
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(substring(current_setting('hopfleet.depth', true) FROM '^[0-9]{1,4}$')::int, 0)
$$
"""

LISTENED = """
CREATE FUNCTION hopfleet_listened(what varchar, who uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM workflow_states s WHERE s.listens = what
            AND (who IS NULL OR s.user_id = who))
        OR EXISTS (SELECT FROM workflow_waits w WHERE w.kind = what
            AND (who IS NULL OR w.user_id = who))
$$
"""

FUNCTION = """
CREATE FUNCTION hopfleet_tell_{name}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
{body}
    RETURN NULL;
END $$
"""

CONTENT = """
    IF hopfleet_listened('content_published', NEW.user_id) THEN
        INSERT INTO workflow_events (kind, user_id, campaign_id, ref, data, depth)
        VALUES ('content_published', NEW.user_id, NEW.campaign_id, NEW.id::text,
            jsonb_build_object('type', 'content_published', 'id', NEW.id,
                'campaign_id', NEW.campaign_id, 'content_type', NEW.type, 'title', NEW.title,
                'body', left(NEW.body, 10000),
                'published_at', hopfleet_iso(coalesce(NEW.published_at, now())),
                'occurred_at', hopfleet_iso(now())),
            hopfleet_depth());
    END IF;
"""

SUBSCRIPTION = """
    IF hopfleet_listened('subscription_changed', NEW.id) THEN
        INSERT INTO workflow_events (kind, user_id, ref, data, depth)
        VALUES ('subscription_changed', NEW.id, NEW.id::text,
            jsonb_build_object('type', 'subscription_changed', 'id', NEW.id,
                'status', NEW.status, 'status_before', OLD.status,
                'tier', NEW.tier, 'tier_before', OLD.tier,
                'trial_ends_at', hopfleet_iso(NEW.trial_ends_at),
                'occurred_at', hopfleet_iso(now())),
            hopfleet_depth());
    END IF;
"""

BONUS = """
    IF hopfleet_listened('bonus_delivered', NEW.user_id) THEN
        INSERT INTO workflow_events (kind, user_id, campaign_id, ref, data, depth)
        SELECT 'bonus_delivered', NEW.user_id, NEW.campaign_id, NEW.receipt,
            jsonb_build_object('type', 'bonus_delivered', 'id', NEW.id::text,
                'campaign_id', NEW.campaign_id, 'bonus_id', NEW.bonus_id,
                'bonus', (SELECT name FROM bonuses WHERE id = NEW.bonus_id),
                'method', OLD.kind, 'receipt', NEW.receipt, 'order_id', NEW.receipt,
                'click_id', o.click_id, 'source', o.source,
                'occurred_at', hopfleet_iso(NEW.delivered_at)),
            hopfleet_depth()
        FROM users u LEFT JOIN orders o ON o.id = NEW.order_id WHERE u.id = NEW.user_id;
    END IF;
"""

_WATCHED = (
    "title", "vendor", "category", "description", "commission_rate", "commission_amount",
    "initial_sale_amount", "gravity", "refund_rate", "rebill", "popularity_rank",
)  # fmt: skip
_MONEY = ("commission_rate", "commission_amount", "initial_sale_amount", "gravity", "refund_rate")


def _told(row: str, column: str) -> str:
    """A column's value: amounts as text, so that no digit of them is lost."""
    return f"{row}.{column}::text" if column in _MONEY else f"{row}.{column}"


def _product() -> str:
    columns = [one for one in _WATCHED if one != "description"]
    values = ", ".join(f"'{one}', {_told('n', one)}" for one in columns)
    changed = ", ".join(f"CASE WHEN o.{one} IS DISTINCT FROM n.{one} THEN '{one}' END"
                        for one in _WATCHED)  # fmt: skip
    before = ", ".join(f"'{one}', CASE WHEN o.{one} IS DISTINCT FROM n.{one}"
                       f" THEN {_told('o', one)} END" for one in columns)  # fmt: skip
    old, new = (", ".join(f"{row}.{one}" for one in _WATCHED) for row in "on")
    return f"""
    IF hopfleet_listened('product_changed', NULL) THEN
        INSERT INTO workflow_events (kind, ref, data, depth)
        SELECT 'product_changed', n.id::text, jsonb_build_object('type', 'product_changed',
                'id', n.id, 'clickbank_id', n.clickbank_id, {values},
                'changed', to_jsonb(array_remove(ARRAY[{changed}], NULL)),
                'before', jsonb_strip_nulls(jsonb_build_object({before})),
                'occurred_at', hopfleet_iso(now())),
            hopfleet_depth()
        FROM old_rows o JOIN new_rows n USING (id)
        WHERE ROW({old}) IS DISTINCT FROM ROW({new});
    END IF;
"""


TRIGGERS = (
    "CREATE TRIGGER content_tell_insert AFTER INSERT ON content FOR EACH ROW"
    " WHEN (NEW.status = 'published') EXECUTE FUNCTION hopfleet_tell_content()",
    "CREATE TRIGGER content_tell_update AFTER UPDATE OF status ON content FOR EACH ROW"
    " WHEN (NEW.status = 'published' AND OLD.status IS DISTINCT FROM NEW.status)"
    " EXECUTE FUNCTION hopfleet_tell_content()",
    "CREATE TRIGGER users_tell_update AFTER UPDATE OF status, tier ON users FOR EACH ROW"
    " WHEN ((OLD.status, OLD.tier) IS DISTINCT FROM (NEW.status, NEW.tier))"
    " EXECUTE FUNCTION hopfleet_tell_subscription()",
    "CREATE TRIGGER bonus_deliveries_tell_update AFTER UPDATE OF delivered_at"
    " ON bonus_deliveries FOR EACH ROW"
    " WHEN (OLD.delivered_at IS NULL AND NEW.delivered_at IS NOT NULL)"
    " EXECUTE FUNCTION hopfleet_tell_bonus()",
    "CREATE TRIGGER products_tell_update AFTER UPDATE ON products"
    " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_tell_product()",
)


def upgrade() -> None:
    for statement in (*TABLES, ISO, DEPTH, LISTENED):
        op.execute(statement)
    bodies = {"content": CONTENT, "subscription": SUBSCRIPTION, "bonus": BONUS}
    for name, body in {**bodies, "product": _product()}.items():
        op.execute(FUNCTION.format(name=name, body=body))
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    for table, name in (
        ("products", "products_tell_update"),
        ("bonus_deliveries", "bonus_deliveries_tell_update"),
        ("users", "users_tell_update"),
        ("content", "content_tell_update"),
        ("content", "content_tell_insert"),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in ("product", "bonus", "subscription", "content"):
        op.execute(f"DROP FUNCTION hopfleet_tell_{name}()")
    op.execute("DROP FUNCTION hopfleet_listened(varchar, uuid)")
    op.execute("DROP FUNCTION hopfleet_depth()")
    op.execute("DROP FUNCTION hopfleet_iso(timestamptz)")
    op.execute("DROP INDEX idx_workflow_events_pending")
    op.execute("DELETE FROM workflow_events WHERE user_id IS NULL")
    op.execute("ALTER TABLE workflow_events ALTER COLUMN user_id SET NOT NULL")
