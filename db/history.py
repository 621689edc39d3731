"""History: what is known of an order and its family, read for people."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg.rows import class_row

from base.ids import is_click_id, time_of
from db.connection import Tx
from db.oddities import FLAGS


class Told(NamedTuple):
    """An order as people are shown it."""

    id: int
    user_id: UUID
    receipt: str
    parent: str | None
    click_id: str | None
    campaign_id: UUID | None
    source: str | None
    matched_by: str
    created_at: datetime


class Owed(NamedTuple):
    """A bonus that a buyer is owed, and how far it has got."""

    order_id: int
    bonus_id: UUID
    name: str | None
    state: str  # waiting, pending, running, delivered, revoked, cancelled, dead
    delivered_at: datetime | None
    reason: str | None


class Click(NamedTuple):
    """The click that an order follows."""

    event_type: str
    source: str | None
    metadata: Any
    created_at: datetime


class Which(NamedTuple):
    """Which orders are wanted; None wants all."""

    user: UUID | None = None
    campaign: UUID | None = None
    since: datetime | None = None  # first heard of at this moment or later
    until: datetime | None = None  # first heard of before
    state: str | None = None  # told of at least once
    flag: str | None = None
    unattributed: bool | None = None


class Line(NamedTuple):
    """An order in a list: what its reports come to, in dollars."""

    id: str
    receipt: str
    user_id: UUID
    campaign: str | None  # its tracking id
    matched_by: str
    states: list[str]
    reports: int
    revenue: Decimal | None
    flags: list[str]
    created_at: datetime


_TOLD = ", ".join(f"o.{name}" for name in Told._fields)
_MOST_ID = 9_223_372_036_854_775_807


def orders(tx: Tx, receipt: str, user_id: UUID | str | None = None) -> list[Told]:
    """The orders with this receipt: one of a user, or one of each user who has such a one."""
    with tx.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(
            f"SELECT {_TOLD} FROM orders o WHERE o.receipt = %(receipt)s"
            " AND (%(user)s::uuid IS NULL OR o.user_id = %(user)s) ORDER BY o.id",
            {"receipt": receipt, "user": user_id},
        ).fetchall()


def family(tx: Tx, order: Told) -> list[Told]:
    """The order itself, what it was an upsell to, and all upsells; the first of them first."""
    with tx.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(
            "WITH RECURSIVE kin (id, receipt, parent) AS ("
            "  SELECT id, receipt, parent FROM orders WHERE id = %(id)s UNION"
            "  SELECT o.id, o.receipt, o.parent FROM kin JOIN orders o ON o.user_id = %(user)s"
            "   AND (o.receipt = kin.parent OR o.parent = kin.receipt))"
            f" SELECT {_TOLD} FROM kin JOIN orders o USING (id)"
            " ORDER BY o.parent IS NOT NULL, o.id",
            {"id": order.id, "user": order.user_id},
        ).fetchall()


def deliveries(tx: Tx, order_ids: list[int]) -> list[Owed]:
    """The bonuses these orders' buyers are owed, as their owner would say how they are."""
    rows = tx.execute(
        "SELECT d.order_id, d.bonus_id, b.name, CASE"
        "  WHEN d.delivered_at IS NOT NULL THEN"
        "   CASE WHEN d.revoked_at IS NULL THEN 'delivered' ELSE 'revoked' END"
        "  WHEN d.state = 'done' THEN coalesce(d.outcome, 'done')"
        "  WHEN d.state = 'pending' AND d.address IS NULL THEN 'waiting' ELSE d.state END,"
        " d.delivered_at, coalesce(d.reason, d.last_error)"
        " FROM bonus_deliveries d LEFT JOIN bonuses b ON b.id = d.bonus_id"
        " WHERE d.order_id = ANY(%s::bigint[]) ORDER BY d.id",
        (order_ids,),
    )
    return [Owed(*row) for row in rows]


def waiting(tx: Tx, receipt: str) -> tuple[str, str, str | None] | None:
    """Of a report of this receipt that is no row yet: id of the held event, state, and reason."""
    row = tx.execute(
        "SELECT id::text, state, reason FROM held_events WHERE state <> 'done'"
        " AND position(%s::bytea IN item) > 0 ORDER BY id LIMIT 1",
        (orjson.dumps(receipt),),
    ).fetchone()
    return (row[0], row[1], row[2]) if row else None


def click(tx: Tx, user_id: UUID, click_id: str) -> Click | None:
    """What is stored of a click of this user; None when it is not, or not any more."""
    if not is_click_id(click_id):
        return None
    with tx.cursor(row_factory=class_row(Click)) as cursor:
        return cursor.execute(
            "SELECT event_type, source, metadata, created_at FROM ("
            " SELECT user_id, event_type, source, metadata, created_at FROM analytics_events"
            "  WHERE created_at = %s AND metadata->>'click_id' = %s"
            "  AND event_type IN ('click', 'view') LIMIT 1) AS found WHERE user_id = %s",
            (time_of(click_id), click_id, user_id),
        ).fetchone()


def names(tx: Tx, orders: list[Told]) -> tuple[dict[UUID, str], dict[UUID, str]]:
    """The e-mails of these orders' users and the names of their campaigns, by id."""
    owners = tx.execute(
        "SELECT id, email FROM users WHERE id = ANY(%s)", ([one.user_id for one in orders],)
    ).fetchall()
    led = tx.execute(
        "SELECT id, name FROM campaigns WHERE id = ANY(%s::uuid[])",
        ([one.campaign_id for one in orders if one.campaign_id],),
    ).fetchall()
    return dict(owners), dict(led)


_CONDITIONS = {
    "user": "o.user_id = %(user)s",
    "campaign": "o.campaign_id = %(campaign)s",
    "since": "o.created_at >= %(since)s",
    "until": "o.created_at < %(until)s",
    "state": "told.states @> ARRAY[%(state)s]",
    # Flags are rare, and their index small: only those orders are looked at.
    "flag": "o.id IN (SELECT order_id FROM receipts WHERE flags <> '{}')"
    " AND told.flags @> ARRAY[%(flag)s]",
    "unattributed": "(o.campaign_id IS NULL) = %(unattributed)s",
}


def page(tx: Tx, which: Which, limit: int, before: int | None = None) -> list[Line]:
    """Orders, newest first; pass the last one's id as `before` for the next page."""
    values = {name: value for name, value in which._asdict().items() if value is not None}
    wheres = ["o.id < %(before)s", *(_CONDITIONS[name] for name in values)]
    rows = tx.execute(
        "SELECT o.id::text, o.receipt, o.user_id, c.tracking_id, o.matched_by, told.states,"
        " told.reports, told.revenue, told.flags, o.created_at FROM orders o"
        " LEFT JOIN campaigns c ON c.id = o.campaign_id CROSS JOIN LATERAL ("
        "  SELECT count(*) AS reports, sum(r.revenue) AS revenue,"
        "   array_agg(DISTINCT r.state::text) AS states,"
        f"   ARRAY(SELECT DISTINCT now.flag FROM {FLAGS} WHERE odd.order_id = o.id"
        "    AND now.flag IS NOT NULL ORDER BY 1) AS flags"
        "  FROM receipts r WHERE r.order_id = o.id) AS told"
        f" WHERE told.reports > 0 AND {' AND '.join(wheres)} ORDER BY o.id DESC LIMIT %(limit)s",
        {**values, "before": _MOST_ID if before is None else before, "limit": limit},
    )
    return [Line(*row) for row in rows]
