"""The auditor: holds the books against what is true of the world, and against the mail server."""

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

from tests.fleet.fleet import Fleet
from tests.fleet.money_roads import Roads
from tests.fleet.money_world import Event, Truth


class Verdict(NamedTuple):
    """What is not as it must be; nothing of it when all is well."""

    missing: Counter[Event]
    extra: Counter[Event]
    revenue: dict[str, tuple[Decimal, Decimal]]  # by campaign: what is there, what should be
    counters: list[str]  # bonuses whose counter is not the number of their deliveries
    undelivered: set[str]
    undue: set[str]  # deliveries nobody owes
    mails: list[str]  # more or fewer than were told, and not shown as unknown
    dead: list[tuple[str, str]]

    @property
    def sound(self) -> bool:
        """Whether the books are right to the cent."""
        return not any(self)


def judge(fleet: Fleet, truth: Truth, roads: Roads, accepted: Counter[str]) -> Verdict:
    """Compare; call it when everything is told and handled. `accepted` counts mails by address."""
    events = _events(fleet, roads)
    there, due = Truth(events).revenue(), truth.revenue()
    deliveries = _deliveries(fleet, roads)
    delivered = {receipt for receipt, (_, state, _) in deliveries.items() if state == "delivered"}
    return Verdict(
        missing=truth.events - events,
        extra=events - truth.events,
        revenue={
            name: (there.get(name, Decimal(0)), due.get(name, Decimal(0)))
            for name in there.keys() | due.keys()
            if there.get(name) != due.get(name)
        },
        counters=_counters(fleet, roads),
        undelivered=truth.must - delivered,
        undue=delivered - truth.must - truth.may,
        mails=_mails(deliveries, accepted),
        dead=fleet.dead(),
    )


def _events(fleet: Fleet, roads: Roads) -> Counter[Event]:
    """Payments that count, as the world names them."""
    clicks = {one: f"click {n} of {name}" for name, ids in roads.clicks.items()
              for n, one in enumerate(ids)}  # fmt: skip
    rows = fleet.sql(
        "SELECT e.metadata->>'receipt', e.metadata->>'click_id', e.event_type, e.revenue,"
        " c.tracking_id FROM analytics_events e LEFT JOIN campaigns c ON c.id = e.campaign_id"
        " WHERE e.user_id IN (SELECT user_id FROM campaigns WHERE tracking_id = ANY(%s))"
        " AND event_type IN ('conversion', 'rebill', 'refund')"
        " AND NOT e.metadata ? 'duplicate_of'", list(roads.addresses),
    )  # fmt: skip
    return Counter(
        (receipt or str(clicks.get(click, click)), kind, revenue, campaign)
        for receipt, click, kind, revenue, campaign in rows
    )


def _deliveries(fleet: Fleet, roads: Roads) -> dict[str, tuple[str, str, int]]:
    """By receipt: its bonus's way, how it stands, and how many tries have no known end."""
    rows = fleet.sql(
        "SELECT d.receipt, b.delivery_method, CASE WHEN d.delivered_at IS NOT NULL THEN 'delivered'"
        " ELSE coalesce(d.outcome, d.reason, d.state) END,"
        " (SELECT count(*) FROM delivery_attempts a WHERE a.delivery_id = d.id"
        "  AND coalesce(a.outcome, 'unknown') = 'unknown')"
        " FROM bonus_deliveries d JOIN campaigns c ON c.id = d.campaign_id"
        " JOIN bonuses b ON b.id = d.bonus_id WHERE c.tracking_id = ANY(%s)", list(roads.addresses),
    )  # fmt: skip
    return {receipt: (kind, state, unknown) for receipt, kind, state, unknown in rows}


def _counters(fleet: Fleet, roads: Roads) -> list[str]:
    rows = fleet.sql(
        "SELECT b.name, b.delivered_count, count(d.delivered_at), b.last_delivered_at,"
        " max(d.delivered_at) FROM bonuses b JOIN campaigns c ON c.id = b.campaign_id"
        " LEFT JOIN bonus_deliveries d ON d.bonus_id = b.id WHERE c.tracking_id = ANY(%s)"
        " GROUP BY b.id", list(roads.addresses),
    )  # fmt: skip
    return [
        f"{name}: counted {counted}, delivered {delivered}, last {last}, of them {newest}"
        for name, counted, delivered, last, newest in rows
        if counted != delivered or last != newest
    ]


def _mails(deliveries: dict[str, tuple[str, str, int]], accepted: Counter[str]) -> list[str]:
    """Each mail was accepted once; more often only as often as an end is unknown.

    An issued link is mailed as well, but a refund may come before that.
    """
    found = []
    for receipt, (method, state, unknown) in deliveries.items():
        took = accepted[f"{receipt.lower()}@example.com"]
        most = 1 if state == "delivered" else 0
        least = most if method == "email" else 0
        if not least <= took <= most + unknown:
            found.append(f"{method} {receipt} {state}, accepted {took}, {unknown} ends unknown")
    return found
