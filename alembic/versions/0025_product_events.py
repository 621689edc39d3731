"""Products' events: what crosses a threshold, pays otherwise, vanishes or returns is told exactly.

The filter that a trigger names (thresholds, products, category, the owner's campaigns) is judged
here, so that a feed of a million changes makes no more facts than workflows listen to.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# A trigger's JSON is its owner's, and may have changed a moment ago: nothing here may fail on it.
# `is_wide` ones want products that no campaign of theirs has, too.
LISTENERS = """
CREATE FUNCTION hopfleet_product_listeners() RETURNS TABLE (kind varchar, workflow_id uuid,
    user_id uuid, above numeric, below numeric, ids text[], category text, is_wide boolean)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT s.listens, s.workflow_id, s.user_id,
        CASE jsonb_typeof(t.said -> 'above') WHEN 'number' THEN (t.said ->> 'above')::numeric END,
        CASE jsonb_typeof(t.said -> 'below') WHEN 'number' THEN (t.said ->> 'below')::numeric END,
        CASE jsonb_typeof(t.said -> 'products') WHEN 'array' THEN ARRAY(
            SELECT DISTINCT lower(one) FROM jsonb_array_elements_text(t.said -> 'products') AS one)
        END,
        lower(t.said ->> 'category'),
        CASE WHEN t.said ? 'products' THEN jsonb_typeof(t.said -> 'products') = 'array'
            OR t.said ->> 'products' = 'all' ELSE t.said ? 'category' END
    FROM workflow_states s
    JOIN workflows w ON w.id = s.workflow_id AND w.status = 'active',
        LATERAL (SELECT CASE jsonb_typeof(w.trigger_config) WHEN 'object' THEN
            jsonb_strip_nulls(w.trigger_config) ELSE '{}' END AS said) AS t
    WHERE s.listens IN ('gravity_crossed', 'commission_changed', 'product_vanished',
            'product_returned')
        OR s.listens = 'product_changed' AND t.said ?| ARRAY['products', 'category', 'campaign']
$$
"""

# Who listens to a product, and for which campaign: by way of campaigns, of ids, or of categories,
# each an equality, so that no plan compares all products with all who listen. `told` has one row
# for each kind that a product has something to tell of; {holds} judges thresholds.
HEARD = """
    named AS MATERIALIZED (
        SELECT l.*, one.id AS clickbank_id FROM listeners l, unnest(l.ids) AS one (id)
        WHERE l.is_wide
    ),
    placed AS MATERIALIZED (
        SELECT t.*, path FROM told t, unnest(hopfleet_paths(t.category)) AS path
        WHERE EXISTS (SELECT FROM listeners l WHERE l.is_wide AND l.ids IS NULL)
    ),
    heard AS (
        SELECT t.id, l.kind, l.workflow_id, l.user_id, l.above, l.below, c.id AS campaign_id
        FROM told t JOIN campaigns c ON c.product_id = t.id AND c.status <> 'completed'
        JOIN listeners l ON l.user_id = c.user_id AND l.kind = t.kind
        WHERE NOT l.is_wide AND {within} AND {holds}
        UNION ALL
        SELECT t.id, l.kind, l.workflow_id, l.user_id, l.above, l.below, c.id
        FROM told t JOIN named l ON l.clickbank_id = t.clickbank_id AND l.kind = t.kind
        LEFT JOIN campaigns c ON c.product_id = t.id AND c.user_id = l.user_id
            AND c.status <> 'completed'
        WHERE {within} AND {holds}
        UNION ALL
        SELECT t.id, l.kind, l.workflow_id, l.user_id, l.above, l.below, c.id
        FROM placed t JOIN listeners l ON l.kind = t.kind AND coalesce(l.category, '') = t.path
        LEFT JOIN campaigns c ON c.product_id = t.id AND c.user_id = l.user_id
            AND c.status <> 'completed'
        WHERE l.is_wide AND l.ids IS NULL AND {holds}
    )
"""
# A category is meant with all below it.
PATHS = """
CREATE FUNCTION hopfleet_paths(category text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT array_to_string(names[1\\:depth], ' > ')
        FROM (SELECT string_to_array(lower(category), ' > ') AS names) AS told,
            generate_series(1, cardinality(names)) AS depth UNION SELECT '')
$$
"""
_WITHIN = "(l.category IS NULL OR l.category = ANY(hopfleet_paths(t.category)))"
_UP = "(l.above IS NOT NULL AND t.was < l.above AND t.gravity >= l.above)"
_DOWN = "(l.below IS NOT NULL AND t.was >= l.below AND t.gravity < l.below)"
_CROSSED = f"(l.kind <> 'gravity_crossed' OR {_UP} OR {_DOWN})"

_WATCHED = (
    "title", "vendor", "category", "description", "commission_rate", "commission_amount",
    "initial_sale_amount", "gravity", "refund_rate", "rebill", "popularity_rank",
)  # fmt: skip
_TOLD = [one for one in _WATCHED if one != "description"]
_MONEY = ("commission_rate", "commission_amount", "initial_sale_amount", "gravity", "refund_rate")


def _text(row: str, column: str) -> str:
    """A column's value: amounts as text, so that no digit of them is lost."""
    return f"{row}.{column}::text" if column in _MONEY else f"{row}.{column}"


_VALUES = ", ".join(f"'{one}', {_text('n', one)}" for one in _TOLD)
_CHANGED = ", ".join(
    f"CASE WHEN o.{one} IS DISTINCT FROM n.{one} THEN '{one}' END" for one in _WATCHED
)
_BEFORE = ", ".join(
    f"'{one}', CASE WHEN o.{one} IS DISTINCT FROM n.{one} THEN {_text('o', one)} END"
    for one in _TOLD
)
_DIFFERENCE = f"""
    'changed', to_jsonb(array_remove(ARRAY[{_CHANGED}], NULL)),
    'before', jsonb_strip_nulls(jsonb_build_object({_BEFORE}))
"""
_OLD, _NEW = (", ".join(f"{row}.{one}" for one in _WATCHED) for row in "on")
_INTO = "INSERT INTO workflow_events (kind, user_id, workflow_id, campaign_id, ref, data, depth)"
_COMMON = f"'id', n.id, 'clickbank_id', n.clickbank_id, {_VALUES}"

# Statements on the changed rows are planned each time: a plan made for a few rows, and kept, would
# compare all with all when a feed changes thousands.

# To those who name nothing, one fact for all of them.
UNNAMED = f"""
    IF EXISTS (SELECT FROM workflow_waits WHERE kind = 'product_changed') OR EXISTS (
        SELECT FROM workflow_states s WHERE s.listens = 'product_changed'
            AND s.workflow_id NOT IN (SELECT l.workflow_id FROM hopfleet_product_listeners() l))
    THEN
        EXECUTE $each$
        INSERT INTO workflow_events (kind, ref, data, depth)
        SELECT 'product_changed', n.id::text, jsonb_build_object('type', 'product_changed',
                {_COMMON}, {_DIFFERENCE}, 'occurred_at', hopfleet_iso(now())), hopfleet_depth()
        FROM old_rows o JOIN new_rows n USING (id)
        WHERE ROW({_OLD}) IS DISTINCT FROM ROW({_NEW})
        $each$;
    END IF;
"""

CHANGED = f"""
CREATE FUNCTION hopfleet_tell_changed_products() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    {UNNAMED}
    IF NOT EXISTS (SELECT FROM workflow_states WHERE listens IN
        ('product_changed', 'gravity_crossed', 'commission_changed'))
    THEN
        RETURN NULL;
    END IF;
    EXECUTE $each$
    WITH listeners AS MATERIALIZED (SELECT * FROM hopfleet_product_listeners()),
    moved AS MATERIALIZED (
        SELECT n.id, n.clickbank_id, n.category, o.gravity AS was, n.gravity,
            (o.commission_rate, o.commission_amount) IS DISTINCT FROM
                (n.commission_rate, n.commission_amount) AS pays_otherwise
        FROM old_rows o JOIN new_rows n USING (id)
        WHERE ROW({_OLD}) IS DISTINCT FROM ROW({_NEW})
    ),
    told AS (
        SELECT moved.*, 'product_changed' AS kind FROM moved
        UNION ALL SELECT moved.*, 'commission_changed' FROM moved WHERE pays_otherwise
        UNION ALL SELECT moved.*, 'gravity_crossed' FROM moved WHERE was <> gravity
    ),
    {HEARD.format(within=_WITHIN, holds=_CROSSED)}
    {_INTO}
    SELECT h.kind, h.user_id, h.workflow_id, h.campaign_id, n.id::text,
        jsonb_build_object('type', h.kind, {_COMMON}, 'campaign_id', h.campaign_id, {_DIFFERENCE},
            'occurred_at', hopfleet_iso(now()))
        || CASE WHEN h.kind <> 'gravity_crossed' THEN '{{}}'
            WHEN o.gravity < n.gravity
            THEN jsonb_build_object('direction', 'above', 'threshold', h.above::text)
            ELSE jsonb_build_object('direction', 'below', 'threshold', h.below::text) END,
        hopfleet_depth()
    FROM heard h JOIN old_rows o ON o.id = h.id JOIN new_rows n ON n.id = h.id
    $each$;
    RETURN NULL;
END $$
"""

# Rows of `product_absences`: in the third feed without a product it has vanished.
ABSENCES = f"""
CREATE FUNCTION hopfleet_tell_absences() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    what varchar := CASE TG_OP WHEN 'UPDATE' THEN 'product_vanished' ELSE 'product_returned' END;
BEGIN
    IF NOT EXISTS (SELECT FROM workflow_states WHERE listens = what) THEN
        RETURN NULL;
    END IF;
    EXECUTE $each$
    WITH listeners AS MATERIALIZED (SELECT * FROM hopfleet_product_listeners()),
    told AS MATERIALIZED (
        SELECT n.id, n.clickbank_id, n.category, $1 AS kind, a.last_seen_at, a.vanished_at
        FROM ({{rows}}) AS a JOIN products n ON n.id = a.product_id
    ),
    {HEARD.format(within=_WITHIN, holds="true")}
    {_INTO}
    SELECT h.kind, h.user_id, h.workflow_id, h.campaign_id, n.id::text,
        jsonb_build_object('type', h.kind, {_COMMON}, 'campaign_id', h.campaign_id,
            'last_seen_at', hopfleet_iso(t.last_seen_at),
            'vanished_at', hopfleet_iso(t.vanished_at), 'occurred_at', hopfleet_iso(now())),
        hopfleet_depth()
    FROM heard h JOIN told t USING (id) JOIN products n ON n.id = h.id
    $each$ USING what;
    RETURN NULL;
END $$
"""
_ABSENT = """
    SELECT new_rows.* FROM new_rows JOIN old_rows USING (product_id)
    WHERE old_rows.vanished_at IS NULL AND new_rows.vanished_at IS NOT NULL
"""
_BACK = "SELECT * FROM old_rows WHERE vanished_at IS NOT NULL"
VANISHED = ABSENCES.format(rows=_ABSENT).replace("_absences()", "_vanished_products()")
RETURNED = ABSENCES.format(rows=_BACK).replace("_absences()", "_returned_products()")

TRIGGERS = (
    "DROP TRIGGER products_tell_update ON products",
    "CREATE TRIGGER products_tell_update AFTER UPDATE ON products"
    " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_tell_changed_products()",
    "CREATE TRIGGER product_absences_tell_update AFTER UPDATE ON product_absences"
    " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_tell_vanished_products()",
    "CREATE TRIGGER product_absences_tell_delete AFTER DELETE ON product_absences"
    " REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_tell_returned_products()",
)


def upgrade() -> None:
    # 0019's function stays: a release before this one may be brought back.
    for statement in (LISTENERS, PATHS, CHANGED, VANISHED, RETURNED, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER product_absences_tell_delete ON product_absences")
    op.execute("DROP TRIGGER product_absences_tell_update ON product_absences")
    op.execute("DROP TRIGGER products_tell_update ON products")
    op.execute(
        "CREATE TRIGGER products_tell_update AFTER UPDATE ON products"
        " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
        " EXECUTE FUNCTION hopfleet_tell_product()"
    )
    for name in ("returned", "vanished", "changed"):
        op.execute(f"DROP FUNCTION hopfleet_tell_{name}_products()")
    op.execute("DROP FUNCTION hopfleet_paths(text)")
    op.execute("DROP FUNCTION hopfleet_product_listeners()")
