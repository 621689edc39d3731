"""What the marketplace's search told, beside what products are: it makes and changes none."""

from collections.abc import Mapping

from db.connection import Tx
from db.vendor_sales import Rated

_KEEP = """
    WITH told AS (
        SELECT * FROM unnest(%(names)s::text[], %(hits)s::jsonb[]) AS t (name, hit)
    ), known AS MATERIALIZED (
        SELECT p.id, told.hit, CASE jsonb_typeof(p.data_snapshot) WHEN 'object'
            THEN p.data_snapshot ELSE '{}' END AS snapshot
        FROM products p JOIN told ON told.name = p.clickbank_id
        WHERE p.clickbank_id = ANY(%(names)s)  -- by its index, whatever the planner thinks of CTEs
        ORDER BY p.id FOR NO KEY UPDATE OF p
    ), changed AS (
        UPDATE products p
        SET data_snapshot = known.snapshot || jsonb_build_object('search', known.hit)
        FROM known WHERE p.id = known.id
            AND known.snapshot -> 'search' IS DISTINCT FROM known.hit
        RETURNING p.id
    )
    SELECT (SELECT count(*) FROM known), (SELECT count(*) FROM changed)
"""


def keep(tx: Tx, hits: Mapping[str, str]) -> Rated:
    """Keep hits, JSON by product; what nobody knows is left out."""
    # Said for this transaction: a feed need not restore what no feed tells.
    tx.execute("SET LOCAL hopfleet.syncing = 'on'")
    row = tx.execute(_KEEP, {"names": list(hits), "hits": list(hits.values())}).fetchone()
    assert row is not None
    return Rated(*row)


def live(tx: Tx, limit: int) -> list[str]:
    """Products of anybody's active campaigns, the ones of the most gravity first."""
    rows = tx.execute(
        "SELECT p.clickbank_id FROM products p WHERE p.id IN (SELECT product_id FROM campaigns"
        "  WHERE status = 'active' AND product_id IS NOT NULL)"
        " ORDER BY p.gravity DESC NULLS LAST, p.clickbank_id LIMIT %s",
        (limit,),
    )
    return [row[0] for row in rows]


def categories(tx: Tx, limit: int) -> list[str]:
    """Main categories that products are in, the largest first."""
    rows = tx.execute(
        "SELECT name FROM (SELECT split_part(category, ' > ', 1) AS name, count(*) AS products"
        "  FROM products WHERE category IS NOT NULL GROUP BY 1) AS mains"
        " ORDER BY products DESC, name LIMIT %s",
        (limit,),
    )
    return [row[0] for row in rows]
