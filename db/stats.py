"""Statistics of a campaign: what conditions look at, of the last hour, day and week."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.connection import Tx

_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_TYPES = ("click", "view", "conversion", "rebill", "refund")
_MOST_HOURS = _SPANS["week"].total_seconds() / 3600
# People only, and each event once: what reports count.
_STATEMENT = """
    SELECT event_type,
        count(*) FILTER (WHERE created_at > %(hour)s), count(*) FILTER (WHERE created_at > %(day)s),
        count(*),
        coalesce(sum(revenue) FILTER (WHERE created_at > %(hour)s), 0),
        coalesce(sum(revenue) FILTER (WHERE created_at > %(day)s), 0), coalesce(sum(revenue), 0),
        extract(epoch FROM %(now)s - max(created_at)) / 3600
    FROM analytics_events
    WHERE user_id = %(user)s AND campaign_id = %(campaign)s
        AND event_type = ANY(%(types)s) AND created_at > %(week)s AND created_at <= %(now)s
        AND NOT coalesce(metadata, '{}') ?| ARRAY['bot', 'duplicate_of']
    GROUP BY event_type
"""


def of_campaign(
    tx: Tx, user_id: UUID, campaign_id: UUID, now: datetime
) -> dict[str, dict[str, Any]]:
    """Per span (`hour`, `day`, `week`): counts, revenue, refunded, epc, rates.

    Money is in US dollars, as numbers; `revenue` is net of refunds, `refunded` what was taken
    back. Rates are 0 to 1: `conversion_rate` per click, `refund_rate` per conversion. Beside them
    `hours_since`: how long ago the last click, view, conversion, rebill and refund was, 168 at
    most.
    """
    moments = {span: now - back for span, back in _SPANS.items()}
    about = {"user": user_id, "campaign": campaign_id, "types": list(_TYPES), "now": now}
    rows = tx.execute(_STATEMENT, {**moments, **about}).fetchall()
    counts = {row[0]: dict(zip(_SPANS, row[1:4], strict=True)) for row in rows}
    money = {row[0]: dict(zip(_SPANS, map(float, row[4:7]), strict=True)) for row in rows}

    def number(event: str, span: str) -> int:
        return int(counts.get(event, {}).get(span, 0))

    ago = {row[0]: round(float(row[7]), 2) for row in rows}
    found: dict[str, dict[str, Any]] = {
        "hours_since": {event: ago.get(event, _MOST_HOURS) for event in _TYPES}
    }
    for span in _SPANS:
        clicks, sales = number("click", span), number("conversion", span)
        refunds = number("refund", span)
        revenue = sum(one[span] for one in money.values())
        found[span] = {
            "clicks": clicks,
            "views": number("view", span),
            "conversions": sales,
            "rebills": number("rebill", span),
            "refunds": refunds,
            "revenue": round(revenue, 2),
            "refunded": round(-money.get("refund", {}).get(span, 0.0), 2),
            "conversion_rate": sales / clicks if clicks else 0.0,
            "refund_rate": refunds / sales if sales else 0.0,
            "epc": revenue / clicks if clicks else 0.0,
        }
    return found
