"""Prices of which no tier is known are asked for, and a person is told when that does not help."""

from base.clock import now, steady
from db import prices
from db.billing import StateRow
from db.connection import transaction
from integrations.stripe import StripeAway, StripeRefused
from rules.billing import tier_of
from schemas.stripe_objects import price
from workers.billing import alarm
from workers.stripe_calls import Run

AGAIN_SECONDS = 600.0
SILENT_SECONDS = 10.0
_MOST_ASKED = 1_000

_asked: dict[str, float] = {}  # of this process


def learn(rows: list[StateRow], run: Run) -> None:
    """Ask for the prices of these states whose tier nobody knows; at most each ten minutes."""
    facts = {price["id"]: price for row in rows for price in row.prices if price.get("id")}
    if not facts:
        return
    ids = {name for fact in facts.values() for name in (fact["id"], fact.get("product")) if name}
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        known = prices.tiers(tx, sorted(ids))
    for id_, fact in facts.items():
        unknown = id_ and tier_of([fact], known, known) is None and _due(id_)
        if id_ and unknown and not _asked_for(id_, run):
            alarm("unknown_price", price=id_)


def _due(price_id: str) -> bool:
    if steady() - _asked.get(price_id, -AGAIN_SECONDS) < AGAIN_SECONDS:
        return False
    if len(_asked) >= _MOST_ASKED:
        _asked.clear()
    _asked[price_id] = steady()
    return True


def _asked_for(price_id: str, run: Run) -> bool:
    """Whether Stripe knows the price's tier; it is kept then."""
    if run.client is None or run.away is not None:
        return False
    moment = now()
    try:
        told = run.ask("price", price_id)
    except StripeAway:
        _asked.pop(price_id, None)
        return True  # nobody knows: the message is tried again anyway
    except StripeRefused:
        return False
    found = price(told)
    if found is None or tier_of([{"id": None, "tier": found.tier}], {}, {}) is None:
        return False
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        prices.told(
            tx, found.id, found.lookup, found.product, found.tier, found.period,
            livemode=told.get("livemode") is True, made_at=moment,
        )  # fmt: skip
    return True
