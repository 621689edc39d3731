"""Products are searched in a table of their own, which triggers keep, whoever writes them."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLE = (
    "CREATE EXTENSION IF NOT EXISTS unaccent",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    # English stems, and other languages' words whole; both without their accents.
    "CREATE TEXT SEARCH CONFIGURATION hopfleet_words (COPY = english)",
    "ALTER TEXT SEARCH CONFIGURATION hopfleet_words ALTER MAPPING FOR hword, hword_part, word"
    " WITH unaccent, english_stem",
    """
    CREATE TABLE product_search (
        product_id UUID PRIMARY KEY REFERENCES products(id) ON DELETE CASCADE,
        words TSVECTOR NOT NULL,
        title_words TSVECTOR NOT NULL,
        categories TEXT[] NOT NULL,
        gravity NUMERIC(10, 2) NOT NULL,
        commission_amount NUMERIC(10, 2) NOT NULL,
        commission_rate NUMERIC(5, 2) NOT NULL,
        initial_sale_amount NUMERIC(10, 2) NOT NULL,
        popularity_rank INTEGER NOT NULL,
        trend NUMERIC(10, 2) NOT NULL,
        refund_rate NUMERIC(5, 2),
        rebill BOOLEAN NOT NULL,
        is_gone BOOLEAN NOT NULL DEFAULT false,
        created_at TIMESTAMPTZ NOT NULL
    )
    """,
)
INDEXES = (
    "CREATE INDEX idx_product_search_words ON product_search USING gin(words)",
    "CREATE INDEX idx_product_search_title ON product_search USING gin(title_words)",
    "CREATE INDEX idx_product_search_categories ON product_search USING gin(categories)",
    *(
        f"CREATE INDEX idx_product_search_{name} ON product_search({column}, product_id)"
        for name, column in (
            ("gravity", "gravity"),
            ("amount", "commission_amount"),
            ("rate", "commission_rate"),
            ("initial", "initial_sale_amount"),
            ("rank", "popularity_rank"),
            ("trend", "trend"),
            ("created", "created_at"),
        )
    ),
)

# Every path a product is listed under, each path's beginnings, and the last names alone: asking
# for one of them is asking for the tree below it.
CATEGORIES = """
CREATE FUNCTION hopfleet_categories(category text, snapshot jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH paths AS (
        SELECT string_to_array(lower(path), ' > ') AS names FROM (
            SELECT category AS path
            UNION SELECT listed ->> 'path' FROM jsonb_array_elements(
                CASE WHEN jsonb_typeof(snapshot -> 'categories') = 'array'
                    THEN snapshot -> 'categories' ELSE '[]' END) AS listed
            WHERE jsonb_typeof(listed) = 'object'
        ) AS told WHERE path <> ''
    )
    SELECT coalesce(array_agg(DISTINCT name), '{}') FROM (
        SELECT array_to_string(names[1\\:depth], ' > ') AS name
        FROM paths, generate_series(1, cardinality(names)) AS depth
        UNION SELECT names[cardinality(names)] FROM paths
    ) AS known
$$
"""

# By how much gravity rose within 30 days, as far as history tells.
TREND = """
CREATE FUNCTION hopfleet_trend(product uuid, gravity numeric) RETURNS numeric
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(gravity - (
        SELECT coalesce(
            (SELECT h.gravity FROM product_history h WHERE h.product_id = product
                AND h.day <= (now() AT TIME ZONE 'UTC')::date - 30 ORDER BY h.day DESC LIMIT 1),
            (SELECT h.gravity FROM product_history h WHERE h.product_id = product
                ORDER BY h.day LIMIT 1))
    ), 0)
$$
"""

# Texts are cut where a tsvector would have no room for more. OFFSET 0 has titles read once.
_ROWS = (
    "(SELECT n.*, to_tsvector('hopfleet_words', left(n.title, 500)) AS title_words"
    " FROM {} OFFSET 0)"
)
_TEXTS = """
    n.title_words,
    setweight(n.title_words, 'A')
        || to_tsvector('hopfleet_words', left(coalesce(n.description, ''), 100000)) AS words,
    hopfleet_categories(n.category, n.data_snapshot) AS categories
"""
_TEXT_NAMES = "title_words, words, categories"
# What is not known sorts last, and no filter takes it for a number.
_NUMBERS = """
    coalesce(n.gravity, -1) AS gravity, coalesce(n.commission_amount, -1) AS commission_amount,
    coalesce(n.commission_rate, -1) AS commission_rate,
    coalesce(n.initial_sale_amount, -1) AS initial_sale_amount,
    coalesce(n.popularity_rank, 2147483647) AS popularity_rank,
    n.refund_rate, coalesce(n.rebill, false) AS rebill, n.created_at
"""
_NUMBER_NAMES = (
    "gravity, commission_amount, commission_rate, initial_sale_amount, popularity_rank,"
    " refund_rate, rebill, created_at"
)


def _of(table: str, names: str) -> str:
    return ", ".join(f"{table}.{name.strip()}" for name in names.split(","))


# A new product has no history, so no trend.
INSERTED = f"""
CREATE FUNCTION hopfleet_search_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO product_search (product_id, {_TEXT_NAMES}, {_NUMBER_NAMES}, trend)
    SELECT n.id, {_TEXTS}, {_NUMBERS}, 0 FROM {_ROWS.format("new_rows n")} AS n
    ON CONFLICT (product_id) DO NOTHING;
    RETURN NULL;
END $$
"""

_REWRITTEN = """new_rows n JOIN old_rows o USING (id)
    WHERE (n.title, n.description, n.category, n.data_snapshot -> 'categories')
        IS DISTINCT FROM (o.title, o.description, o.category, o.data_snapshot -> 'categories')
"""

# To read a text costs more than all else: only where it changed. Planned anew for each statement:
# a plan that was made for the few rows of one, and kept, would compare all with all in the next.
UPDATED = f"""
CREATE FUNCTION hopfleet_search_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE $each$
    UPDATE product_search s SET ({_TEXT_NAMES}) = ROW(
            coalesce(told.title_words, s.title_words), coalesce(told.words, s.words),
            coalesce(told.categories, s.categories)),
        ({_NUMBER_NAMES}, trend) = ROW({_of("told", _NUMBER_NAMES)}, told.trend)
    FROM (
        SELECT n.id, {_NUMBERS}, hopfleet_trend(n.id, n.gravity) AS trend, {_of("t", _TEXT_NAMES)}
        FROM new_rows n LEFT JOIN (
            SELECT n.id, {_TEXTS} FROM {_ROWS.format(_REWRITTEN)} AS n
        ) AS t USING (id)
    ) AS told
    WHERE s.product_id = told.id AND (
        ({_of("s", _NUMBER_NAMES)}, s.trend)
            IS DISTINCT FROM ({_of("told", _NUMBER_NAMES)}, told.trend)
        OR ({_of("s", _TEXT_NAMES)}) IS DISTINCT FROM (coalesce(told.title_words, s.title_words),
            coalesce(told.words, s.words), coalesce(told.categories, s.categories)))
    $each$;
    RETURN NULL;
END $$
"""

GONE = """
CREATE FUNCTION hopfleet_search_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE product_search s SET is_gone = TG_OP <> 'DELETE' AND NEW.vanished_at IS NOT NULL
    WHERE s.product_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.product_id ELSE NEW.product_id END;
    RETURN NULL;
END $$
"""

TRIGGERS = (
    "CREATE TRIGGER products_search_insert AFTER INSERT ON products"
    " REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_search_inserted()",
    "CREATE TRIGGER products_search_update AFTER UPDATE ON products"
    " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
    " EXECUTE FUNCTION hopfleet_search_updated()",
    "CREATE TRIGGER product_absences_gone AFTER INSERT OR DELETE ON product_absences"
    " FOR EACH ROW EXECUTE FUNCTION hopfleet_search_gone()",
    "CREATE TRIGGER product_absences_vanish AFTER UPDATE OF vanished_at ON product_absences"
    " FOR EACH ROW WHEN (OLD.vanished_at IS DISTINCT FROM NEW.vanished_at)"
    " EXECUTE FUNCTION hopfleet_search_gone()",
)

FILL = f"""
    INSERT INTO product_search
        (product_id, {_TEXT_NAMES}, {_NUMBER_NAMES}, trend, is_gone)
    SELECT n.id, {_TEXTS}, {_NUMBERS}, hopfleet_trend(n.id, n.gravity),
        EXISTS (SELECT FROM product_absences a
            WHERE a.product_id = n.id AND a.vanished_at IS NOT NULL)
    FROM {_ROWS.format("products n")} AS n
"""


def upgrade() -> None:
    functions = (CATEGORIES, TREND, INSERTED, UPDATED, GONE)
    for statement in (*TABLE, *functions, FILL, *INDEXES, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for table, name in (
        ("product_absences", "product_absences_vanish"),
        ("product_absences", "product_absences_gone"),
        ("products", "products_search_update"),
        ("products", "products_search_insert"),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in ("search_gone()", "search_updated()", "search_inserted()"):
        op.execute(f"DROP FUNCTION hopfleet_{name}")
    op.execute("DROP TABLE product_search")
    op.execute("DROP FUNCTION hopfleet_trend(uuid, numeric)")
    op.execute("DROP FUNCTION hopfleet_categories(text, jsonb)")
    op.execute("DROP TEXT SEARCH CONFIGURATION hopfleet_words")
    op.execute("DROP EXTENSION pg_trgm")
    op.execute("DROP EXTENSION unaccent")
