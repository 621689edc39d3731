"""A feed on its way into the catalogue: unlogged tables in schema `archive`, merged, then applied.

Listings of one id are merged there by the database, so that no process holds a feed in memory.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from psycopg import Copy, sql

from db.connection import Tx
from db.product_syncs import SESSION

_PARTS = ("listings", "contents", "merged")

CONTENT_COLUMNS = (
    "clickbank_id", "digest", "title", "description", "commission_rate", "commission_amount",
    "initial_sale_amount", "gravity", "rebill", "elements",
)  # fmt: skip
LISTING_COLUMNS = ("clickbank_id", "path", "depth", "is_new", "rank", "told", "content")

# No key and no index: what comes twice is merged, not refused.
_LISTINGS = """
    CREATE UNLOGGED TABLE {listings} (clickbank_id text COLLATE "C" NOT NULL,
        path text COLLATE "C" NOT NULL, depth smallint NOT NULL, is_new boolean NOT NULL,
        rank integer, told text, content uuid NOT NULL)
"""
_CONTENTS = """
    CREATE UNLOGGED TABLE {contents} (clickbank_id text COLLATE "C" NOT NULL,
        digest uuid NOT NULL, title text NOT NULL, description text NOT NULL,
        commission_rate numeric, commission_amount numeric, initial_sale_amount numeric,
        gravity numeric, rebill boolean, elements jsonb NOT NULL)
"""

# The listing that counts comes first of each id: one that is not among the new products, the
# deepest, of the best rank.
_MERGED = """
    CREATE UNLOGGED TABLE {merged} (clickbank_id text COLLATE "C" NOT NULL,
        path text COLLATE "C" NOT NULL, rank integer, told text, content uuid NOT NULL,
        categories jsonb NOT NULL, digest uuid NOT NULL)
"""
_MERGE = """
    INSERT INTO {merged}
    SELECT clickbank_id, path, rank, told, content, categories,
        md5(content::text || coalesce(told, '') || categories::text)::uuid AS digest
    FROM (
        SELECT clickbank_id, (array_agg(path ORDER BY order_by))[1] AS path,
            (array_agg(rank ORDER BY order_by))[1] AS rank,
            (array_agg(told ORDER BY order_by))[1] AS told,
            (array_agg(content ORDER BY order_by))[1] AS content,
            jsonb_agg(DISTINCT jsonb_build_object('path', path, 'rank', rank)) AS categories
        FROM {listings}
        WHERE (hashtext(clickbank_id) & 2147483647) %% %(parts)s = %(part)s
        GROUP BY clickbank_id) AS grouped
""".replace("order_by", "is_new, depth DESC, rank NULLS LAST, path, content")

_RENAME = """
    UPDATE products p SET clickbank_id = chosen.lower FROM (
        SELECT DISTINCT ON (lower(clickbank_id)) id, lower(clickbank_id) AS lower FROM products
        WHERE clickbank_id <> lower(clickbank_id) ORDER BY lower(clickbank_id), created_at, id
    ) AS chosen JOIN {merged} m ON m.clickbank_id = chosen.lower
    WHERE p.id = chosen.id
        AND NOT EXISTS (SELECT FROM products taken WHERE taken.clickbank_id = chosen.lower)
"""

# By gravity, as most lists want them: so they lie together, and a page is read from a few places.
_CHANGES = """
    CREATE TEMPORARY TABLE changes ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY c.gravity DESC NULLS LAST, clickbank_id) AS n, m.*, c.place
    FROM {merged} m LEFT JOIN product_states s USING (clickbank_id),
        LATERAL (SELECT x.ctid AS place, x.gravity FROM {contents} x
            WHERE x.clickbank_id = m.clickbank_id AND x.digest = m.content LIMIT 1) AS c
    WHERE s.digest IS DISTINCT FROM m.digest
"""

# What other sources told of a product stays in its snapshot. Old rows are looked up by their index,
# which wants the index's own collation; the planner would rather read the whole table each time.
_APPLY = """
    WITH part AS MATERIALIZED (
        SELECT c.clickbank_id, c.path, c.rank, c.digest, t.title, t.description, t.commission_rate,
            t.commission_amount, t.initial_sale_amount, t.gravity, t.rebill,
            t.elements - 'api' - 'search' || jsonb_strip_nulls(
                jsonb_build_object('PopularityRank', coalesce(c.told, c.rank::text)))
            || jsonb_build_object('categories', c.categories, 'feed', %(feed)s::jsonb) AS snapshot
        FROM changes c, LATERAL (SELECT * FROM {contents} x WHERE x.ctid = c.place OFFSET 0) AS t
        WHERE c.n > %(after)s AND c.n <= %(upto)s
    ), old AS MATERIALIZED (
        SELECT p.id, p.gravity, p.commission_rate, p.commission_amount, p.popularity_rank,
            CASE WHEN (p.last_updated AT TIME ZONE 'UTC')::date < %(today)s
                THEN (p.last_updated AT TIME ZONE 'UTC')::date
                ELSE (p.created_at AT TIME ZONE 'UTC')::date END AS day
        FROM part, LATERAL (SELECT * FROM products k
            WHERE k.clickbank_id = part.clickbank_id COLLATE "default" OFFSET 0) AS p
    ), put AS (
        INSERT INTO products AS p (clickbank_id, vendor, title, description, category,
            commission_rate, commission_amount, initial_sale_amount, gravity, rebill,
            popularity_rank, data_snapshot, last_updated)
        SELECT clickbank_id, clickbank_id, title, description, nullif(left(path, 255), ''),
            commission_rate, commission_amount, initial_sale_amount, gravity, rebill, rank,
            snapshot, now()
        FROM part
        ON CONFLICT (clickbank_id) DO UPDATE SET vendor = EXCLUDED.vendor,
            title = EXCLUDED.title, description = EXCLUDED.description,
            category = EXCLUDED.category, commission_rate = EXCLUDED.commission_rate,
            commission_amount = EXCLUDED.commission_amount,
            initial_sale_amount = EXCLUDED.initial_sale_amount, gravity = EXCLUDED.gravity,
            rebill = EXCLUDED.rebill, popularity_rank = EXCLUDED.popularity_rank,
            last_updated = EXCLUDED.last_updated,
            data_snapshot = EXCLUDED.data_snapshot || jsonb_strip_nulls(jsonb_build_object(
                'api', p.data_snapshot -> 'api', 'search', p.data_snapshot -> 'search'))
        RETURNING p.id, p.clickbank_id, p.gravity, p.commission_rate, p.commission_amount,
            p.popularity_rank
    ), moved AS MATERIALIZED (
        SELECT put.*, old.gravity AS old_gravity, old.commission_rate AS old_rate,
            old.commission_amount AS old_amount, old.popularity_rank AS old_rank, old.day
        FROM put JOIN old USING (id)
        WHERE (put.gravity, put.commission_rate, put.commission_amount, put.popularity_rank)
            IS DISTINCT FROM
            (old.gravity, old.commission_rate, old.commission_amount, old.popularity_rank)
    ), before AS (
        INSERT INTO product_history (product_id, day, gravity, commission_rate,
            commission_amount, popularity_rank)
        SELECT id, day, old_gravity, old_rate, old_amount, old_rank FROM moved
        WHERE day < %(today)s
            AND NOT EXISTS (SELECT FROM product_history h WHERE h.product_id = moved.id)
        ON CONFLICT DO NOTHING
    ), after AS (
        INSERT INTO product_history (product_id, day, gravity, commission_rate,
            commission_amount, popularity_rank)
        SELECT id, %(today)s, gravity, commission_rate, commission_amount, popularity_rank
        FROM moved
        ON CONFLICT (product_id, day) DO UPDATE SET gravity = EXCLUDED.gravity,
            commission_rate = EXCLUDED.commission_rate,
            commission_amount = EXCLUDED.commission_amount,
            popularity_rank = EXCLUDED.popularity_rank
    ), told AS (
        INSERT INTO product_states (product_id, clickbank_id, digest)
        SELECT put.id, put.clickbank_id, part.digest FROM put JOIN part USING (clickbank_id)
        ON CONFLICT (product_id) DO UPDATE SET digest = EXCLUDED.digest,
            clickbank_id = EXCLUDED.clickbank_id
    )
    SELECT count(*) FILTER (WHERE old.id IS NULL), count(old.id) FROM put LEFT JOIN old USING (id)
"""

_BACK = """
    DELETE FROM product_absences a USING product_states s, {merged} m
    WHERE a.product_id = s.product_id AND s.clickbank_id = m.clickbank_id
"""

_MISSING = """
    SELECT s.product_id FROM product_states s LEFT JOIN {merged} m USING (clickbank_id)
    WHERE m.clickbank_id IS NULL
"""

_ABSENT = f"""
    INSERT INTO product_absences AS a (product_id, feeds, last_seen_at, since_sync)
    SELECT missing.product_id, 1, %(last_seen)s, %(sync)s FROM ({_MISSING}) AS missing
    ON CONFLICT (product_id) DO UPDATE SET feeds = a.feeds + 1,
        vanished_at = CASE WHEN a.feeds + 1 >= %(vanished_after)s THEN now() END
    WHERE a.vanished_at IS NULL
"""


class Counts(NamedTuple):
    """What became of products when a feed was applied."""

    inserted: int
    updated: int
    unchanged: int
    missing: int


class Stage:
    """The staging tables of one sync."""

    def __init__(self, sync_id: int) -> None:
        self._names = {part: sql.Identifier("archive", f"feed_{sync_id}_{part}") for part in _PARTS}

    def _sql(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(**self._names)

    def drop(self, tx: Tx) -> None:
        """Remove what there is."""
        for name in self._names.values():
            tx.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))

    def make(self, tx: Tx) -> None:
        """Two empty tables, whatever was there before."""
        _named(tx)
        self.drop(tx)
        tx.execute(self._sql(_LISTINGS))
        tx.execute(self._sql(_CONTENTS))

    def copy(self, tx: Tx, part: str, columns: tuple[str, ...]) -> AbstractContextManager[Copy]:
        """A `COPY` into the listings or the contents; lines of text as PostgreSQL reads them."""
        _named(tx)
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            self._names[part], sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        return tx.cursor().copy(statement)

    def listings(self, tx: Tx) -> int:
        """How many listings are staged; 0 also without a table, or after a crash emptied it."""
        row = tx.execute("SELECT to_regclass(%s)", [self._names["listings"].as_string(tx)])
        if row.fetchone() == (None,):
            return 0
        found = tx.execute(self._sql("SELECT count(*) FROM {listings}")).fetchone()
        return int(found[0]) if found else 0

    def merge(self, tx: Tx, parts: int, rest: Callable[[int], object]) -> int:
        """Listings of one id become one; returns how many products the feed has.

        `rest` is called before each of so many parts.
        """
        _named(tx)
        tx.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._names["merged"]))
        tx.execute("SET LOCAL work_mem = '64MB'")
        tx.execute(self._sql(_MERGED))
        for part in range(parts):
            rest(part)
            tx.execute(self._sql(_MERGE), {"parts": parts, "part": part})
        tx.execute(self._sql("CREATE INDEX ON {contents} (clickbank_id)"))
        tx.execute(self._sql("ANALYZE {merged}"))
        tx.execute(self._sql("ANALYZE {contents}"))
        row = tx.execute(self._sql("SELECT count(*) FROM {merged}")).fetchone()
        return int(row[0]) if row else 0

    def changes(self, tx: Tx) -> int:
        """Begin to apply: which products are new or changed, as numbers 1 to the one returned."""
        _named(tx)
        # Said for this transaction: what it writes is what the feed tells.
        tx.execute("SET LOCAL hopfleet.syncing = 'on'")
        tx.execute("SET LOCAL work_mem = '64MB'")
        tx.execute("SET LOCAL jit = off")  # it would compile each chunk anew
        tx.execute("SET LOCAL lock_timeout = '60s'")
        tx.execute("SET LOCAL statement_timeout = 0")
        tx.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        tx.execute(self._sql(_RENAME))
        changes = tx.execute(self._sql(_CHANGES)).rowcount
        tx.execute("CREATE UNIQUE INDEX ON changes (n)")
        tx.execute("ANALYZE changes")
        known = tx.execute("SELECT count(*) FROM product_states").fetchone()
        if known is not None and changes > known[0]:
            # A catalogue that is mostly new is indexed in larger pieces; few search it yet.
            tx.execute("SET LOCAL gin_pending_list_limit = '64MB'")
        return changes

    def apply(self, tx: Tx, after: int, upto: int, feed: str) -> tuple[int, int]:
        """Write the changes after one number and up to another; returns (inserted, updated).

        `feed` is JSON: the feed's name and date, for the snapshots.
        """
        today = tx.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()
        assert today is not None
        row = tx.execute(
            self._sql(_APPLY), {"after": after, "upto": upto, "feed": feed, "today": today[0]}
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def missing(self, tx: Tx) -> int:
        """How many products earlier feeds had and this one has not."""
        row = tx.execute(self._sql(f"SELECT count(*) FROM ({_MISSING}) AS missing")).fetchone()
        return int(row[0]) if row else 0

    def count_absences(self, tx: Tx, sync_id: int, last_seen: object, vanished_after: int) -> None:
        """Products that are missing once more; those that are back are no longer."""
        tx.execute(self._sql(_BACK))
        tx.execute(
            self._sql(_ABSENT),
            {"sync": sync_id, "last_seen": last_seen, "vanished_after": vanished_after},
        )

    def analyze(self, tx: Tx) -> None:
        """Have the planner know the catalogue after much of it has changed."""
        _named(tx)
        tx.execute("ANALYZE products, product_states, product_search")


def _named(tx: Tx) -> None:
    """Whoever takes a sync over ends the sessions of the one that lost it."""
    tx.execute(sql.SQL("SET LOCAL application_name = {}").format(SESSION))


def staged(tx: Tx) -> list[int]:
    """Syncs that have staging tables, whether or not anybody still works on them."""
    rows = tx.execute(
        "SELECT DISTINCT substring(relname FROM '^feed_([0-9]+)_')::bigint FROM pg_class c"
        " JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = 'archive'"
        " AND relname ~ '^feed_[0-9]+_(listings|contents|merged)$'"
    ).fetchall()
    return [row[0] for row in rows]
