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

# Texts are cut where a tsvector would have no room for more.
_COLUMNS = """
    to_tsvector('hopfleet_words', left(n.title, 500)) AS title_words,
    setweight(to_tsvector('hopfleet_words', left(n.title, 500)), 'A')
        || to_tsvector('hopfleet_words', left(coalesce(n.description, ''), 100000)) AS words,
    hopfleet_categories(n.category, n.data_snapshot) AS categories,
"""
# What is not known sorts last, and no filter takes it for a number.
_NUMBERS = """
    coalesce(n.gravity, -1) AS gravity, coalesce(n.commission_amount, -1) AS commission_amount,
    coalesce(n.commission_rate, -1) AS commission_rate,
    coalesce(n.initial_sale_amount, -1) AS initial_sale_amount,
    coalesce(n.popularity_rank, 2147483647) AS popularity_rank,
    hopfleet_trend(n.id, n.gravity) AS trend,
    n.refund_rate, coalesce(n.rebill, false) AS rebill, n.created_at
"""
_NAMES = (
    "gravity, commission_amount, commission_rate, initial_sale_amount, popularity_rank, trend,"
    " refund_rate, rebill, created_at"
)

INSERTED = f"""
CREATE FUNCTION hopfleet_search_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO product_search (product_id, title_words, words, categories, {_NAMES})
    SELECT n.id, {_COLUMNS} {_NUMBERS} FROM new_rows n
    ON CONFLICT (product_id) DO NOTHING;
    RETURN NULL;
END $$
"""

# To read a text costs more than all else: only where it changed.
UPDATED = f"""
CREATE FUNCTION hopfleet_search_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE product_search s SET title_words = told.title_words, words = told.words,
        categories = told.categories
    FROM (
        SELECT n.id, {_COLUMNS.strip().rstrip(",")}
        FROM new_rows n JOIN old_rows o USING (id)
        WHERE (n.title, n.description, n.category, n.data_snapshot -> 'categories')
            IS DISTINCT FROM (o.title, o.description, o.category, o.data_snapshot -> 'categories')
    ) AS told
    WHERE s.product_id = told.id AND (s.title_words, s.words, s.categories)
        IS DISTINCT FROM (told.title_words, told.words, told.categories);
    UPDATE product_search s SET gravity = told.gravity, trend = told.trend,
        commission_amount = told.commission_amount, commission_rate = told.commission_rate,
        initial_sale_amount = told.initial_sale_amount, refund_rate = told.refund_rate,
        popularity_rank = told.popularity_rank, rebill = told.rebill, created_at = told.created_at
    FROM (SELECT n.id, {_NUMBERS} FROM new_rows n) AS told
    WHERE s.product_id = told.id AND (s.gravity, s.trend, s.commission_amount,
            s.commission_rate, s.initial_sale_amount, s.refund_rate, s.popularity_rank, s.rebill,
            s.created_at)
        IS DISTINCT FROM (told.gravity, told.trend, told.commission_amount,
            told.commission_rate, told.initial_sale_amount, told.refund_rate,
            told.popularity_rank, told.rebill, told.created_at);
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
    INSERT INTO product_search (product_id, title_words, words, categories, {_NAMES}, is_gone)
    SELECT n.id, {_COLUMNS} {_NUMBERS}, EXISTS (SELECT FROM product_absences a
        WHERE a.product_id = n.id AND a.vanished_at IS NOT NULL)
    FROM products n
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
