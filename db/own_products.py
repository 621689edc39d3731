"""Products as their own seller's API tells them, whether or not a feed lists them."""

from decimal import Decimal
from typing import Literal

from db.connection import Tx

_INSERT = """
    INSERT INTO products (clickbank_id, vendor, title, description, commission_rate, rebill,
        data_snapshot, last_updated)
    VALUES (%(site)s, %(site)s, %(title)s, %(description)s, %(rate)s, %(rebill)s,
        jsonb_build_object('api', jsonb_build_object('described', true,
            'products', %(listed)s::jsonb)), now())
    ON CONFLICT (clickbank_id) DO NOTHING
"""

# What a feed has listed is as the feed says; what somebody else has put there is theirs.
_UPDATE = """
    WITH known AS MATERIALIZED (
        SELECT p.id, CASE jsonb_typeof(p.data_snapshot) WHEN 'object' THEN p.data_snapshot
                ELSE '{}' END AS snapshot,
            p.data_snapshot -> 'api' ->> 'described' = 'true' AND NOT EXISTS
                (SELECT FROM product_states s WHERE s.product_id = p.id) AS is_ours
        FROM products p WHERE p.clickbank_id = %(site)s FOR NO KEY UPDATE OF p
    ), made AS (
        SELECT k.id, CASE WHEN is_ours THEN %(title)s ELSE p.title END AS title,
            CASE WHEN is_ours THEN %(description)s ELSE p.description END AS description,
            CASE WHEN is_ours THEN %(rate)s::numeric ELSE p.commission_rate END AS rate,
            CASE WHEN is_ours THEN %(rebill)s ELSE p.rebill END AS rebill,
            snapshot || jsonb_build_object('api',
                CASE jsonb_typeof(snapshot -> 'api') WHEN 'object' THEN snapshot -> 'api'
                    ELSE '{}' END
                || jsonb_build_object('products', %(listed)s::jsonb)) AS snapshot
        FROM known k JOIN products p USING (id)
    )
    UPDATE products p SET title = made.title, description = made.description,
        commission_rate = made.rate, rebill = made.rebill, data_snapshot = made.snapshot,
        last_updated = now()
    FROM made WHERE p.id = made.id
        AND (p.title, p.description, p.commission_rate, p.rebill, p.data_snapshot)
            IS DISTINCT FROM (made.title, made.description, made.rate, made.rebill, made.snapshot)
"""

Became = Literal["inserted", "updated", "unchanged"]


def put(
    tx: Tx, site: str, title: str, description: str, rate: Decimal | None, rebill: bool, listed: str
) -> Became:
    """One row for a seller's products; `listed` is JSON, a list of what is on sale."""
    tx.execute("SET LOCAL hopfleet.syncing = 'on'")
    values = {
        "site": site, "title": title, "description": description, "rate": rate,
        "rebill": rebill, "listed": listed,
    }  # fmt: skip
    if tx.execute(_INSERT, values).rowcount:
        return "inserted"
    return "updated" if tx.execute(_UPDATE, values).rowcount else "unchanged"
