"""What is known of one product, from all the tables that keep something of it."""

import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from db.connection import Tx

Facts = dict[str, Any]


def find(tx: Tx, clickbank_id: str) -> Facts | None:
    """All columns, trend, absences, when a feed had it last, and campaigns that lead to it."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT p.*, s.trend, a.feeds AS missing_feeds, a.vanished_at,"
            "  m.started_at AS missing_since, CASE WHEN a.product_id IS NOT NULL THEN"
            "  a.last_seen_at WHEN f.product_id IS NOT NULL THEN"
            "  (SELECT max(finished_at) FROM product_syncs"
            "   WHERE source = 'feed' AND outcome = 'applied') END AS last_seen_at,"
            "  (SELECT count(*) FROM campaigns c WHERE c.product_id = p.id) AS campaigns"
            " FROM products p"
            " LEFT JOIN product_search s ON s.product_id = p.id"
            " LEFT JOIN product_states f ON f.product_id = p.id"
            " LEFT JOIN product_absences a ON a.product_id = p.id"
            " LEFT JOIN product_syncs m ON m.id = a.since_sync"
            " WHERE p.clickbank_id IN (%(typed)s::text, lower(%(typed)s::text))"
            # Other programs may have stored an id in capitals: the one as typed comes first.
            " ORDER BY p.clickbank_id = %(typed)s::text DESC LIMIT 1",
            {"typed": clickbank_id.strip()},
        ).fetchone()


def alike(tx: Tx, clickbank_id: str, limit: int = 3) -> list[str]:
    """The ids that are written most like this one; reads them all."""
    rows = tx.execute(
        "SELECT clickbank_id FROM products"
        " WHERE similarity(clickbank_id, %(typed)s::text) >= 0.2"
        " ORDER BY similarity(clickbank_id, %(typed)s::text) DESC, clickbank_id LIMIT %(limit)s",
        {"typed": clickbank_id.strip().lower()[:100], "limit": limit},
    )
    return [row[0] for row in rows]


def days(
    tx: Tx, product_id: UUID, since: datetime.date | None, until: datetime.date | None
) -> list[Facts]:
    """Its history, oldest first, with the day that held when `since` began; ends included."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT day, gravity, commission_rate, commission_amount, popularity_rank"
            " FROM product_history WHERE product_id = %(id)s"
            " AND (%(until)s::date IS NULL OR day <= %(until)s)"
            " AND (%(since)s::date IS NULL OR day >= coalesce((SELECT max(day)"
            "  FROM product_history WHERE product_id = %(id)s AND day <= %(since)s), %(since)s))"
            " ORDER BY day",
            {"id": product_id, "since": since, "until": until},
        ).fetchall()


def today(tx: Tx) -> datetime.date:
    """The day (UTC) by the database's clock."""
    row = tx.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date").fetchone()
    assert row is not None
    day: datetime.date = row[0]
    return day
