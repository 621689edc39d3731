"""Oddities: payments that a person may want to look at, as things are now."""

from datetime import datetime

from db.connection import Tx

# Kinds, as reports are flagged with them; `unattributed` is an order without a campaign.
KINDS = ("unattributed", "orphan", "excess", "no_rate", "conflict", "outside_window")

# A report's flags: an orphan is none any more when its payment has come, but may be too much.
FLAGS = """
    receipts AS odd CROSS JOIN unnest(odd.flags) AS told (word) CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(p.type <> 'refund' AND p.verdict = 'counted'), false) AS paid,
            sum(p.revenue) AS revenue FROM receipts p
        WHERE p.order_id = odd.order_id AND p.receipt = odd.receipt
            AND (p.role = odd.role OR p.role = '' OR odd.role = '')) AS whole
    CROSS JOIN LATERAL (SELECT CASE
        WHEN told.word <> 'orphan' OR NOT whole.paid THEN told.word::text
        WHEN whole.revenue < 0 THEN 'excess' END AS flag) AS now
"""


def counts(tx: Tx, since: datetime) -> dict[str, int]:
    """How many orders there are of each kind, among payments from that moment on."""
    found = dict.fromkeys(KINDS, 0)
    rows = tx.execute(
        f"SELECT now.flag, count(DISTINCT odd.order_id) FROM {FLAGS}"
        " WHERE odd.flags <> '{}' AND odd.created_at >= %s AND now.flag IS NOT NULL GROUP BY 1",
        (since,),
    )
    found |= {row[0]: row[1] for row in rows}
    row = tx.execute(
        "SELECT count(*) FROM orders o WHERE o.campaign_id IS NULL AND o.created_at >= %s"
        " AND EXISTS (SELECT FROM receipts r WHERE r.order_id = o.id AND r.verdict = 'counted')",
        (since,),
    ).fetchone()
    found["unattributed"] = int(row[0]) if row else 0
    return found
