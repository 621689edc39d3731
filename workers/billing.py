"""Billing: an account follows what Stripe's subscriptions were and are, and what holds it."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client.core import Metric

from admin.numbers import counters
from base.logs import log
from base.settings import settings
from db import billing, holds, prices
from db.billing import Account, StateRow
from db.connection import Tx, transaction
from rules.billing import KNOWN, Standing, State, stands, tier_of

CHUNK = 200
WAIT_SECONDS = 2.0
LIMIT_SECONDS = 30.0

_alarms: Counter[str] = Counter()
_alarms_lock = threading.Lock()


def alarm(reason: str, **facts: object) -> None:
    """Something of Stripe's that a person has to look at; nothing was changed because of it."""
    with _alarms_lock:
        _alarms[reason] += 1
    log().error("stripe.alarm", reason=reason, **facts)


def collect() -> Iterator[Metric]:
    """What a person has to look at."""
    yield counters(
        "hopfleet_billing_alarms_total",
        "Things of Stripe's that we do not understand and left alone: alarm when it grows.",
        ("reason",), _alarms,
    )  # fmt: skip


def follow(tx: Tx, user_id: UUID, cause: str) -> bool:
    """Bring a user's row to what its history and holds say; whether anything changed.

    Repeatable, and the same whoever comes first: the user's row is held until the end.
    """
    found = billing.account(tx, user_id)
    if found is None:
        return False
    before, now = found
    standing = _standing(tx, user_id, now)
    billing.grace_until(tx, user_id, standing.grace_ends_at)
    after = _after(tx, user_id, before, standing)
    return _write(tx, user_id, before, after, cause)


def _standing(tx: Tx, user_id: UUID, now: datetime) -> Standing:
    customers = billing.customers_of(tx, user_id)
    rows = billing.states(tx, list(customers))
    gone = {customer: at for customer, at in customers.items() if at is not None}
    grace = timedelta(days=settings().stripe_grace_days)
    return stands(_states(tx, rows), gone, now, grace)


def _states(tx: Tx, rows: list[StateRow]) -> list[State]:
    named = {price.get(name) for row in rows for price in row.prices for name in ("id", "product")}
    known = prices.tiers(tx, sorted(one for one in named if one))
    return [
        State(
            row.customer_id, row.subscription_id, row.made_at, row.event_id, row.status,
            tier_of(row.prices, known, known), row.begun_at, row.trial_end, row.ended_at,
        )
        for row in rows
    ]  # fmt: skip


def _after(tx: Tx, user_id: UUID, before: Account, standing: Standing) -> Account:
    status = standing.status
    if holds.of(tx, user_id):
        status = "suspended"
    elif status is None and before.status == "suspended":
        status = holds.status_before(tx, user_id)
    after = before._replace(status=status or before.status, tier=standing.tier or before.tier)
    if standing.known:
        after = after._replace(
            stripe_customer_id=standing.customer, stripe_subscription_id=standing.subscription
        )
    if standing.sets_trial:
        after = after._replace(trial_ends_at=standing.trial_ends_at)
    return after


def _write(tx: Tx, user_id: UUID, before: Account, after: Account, cause: str) -> bool:
    was, is_ = before._asdict(), after._asdict()
    changed = {name: value for name, value in is_.items() if was[name] != value}
    if changed:
        billing.write(tx, user_id, changed)
        holds.log_change(tx, user_id, cause, {name: was[name] for name in changed}, changed)
    return bool(changed)


def look_out(row: StateRow) -> None:
    """Alarm for what a state has that we do not know."""
    if row.status not in KNOWN:
        alarm("unknown_status", subscription=row.subscription_id, status=row.status)


def settle() -> int:
    """What the clock alone brings about: trials and times to pay end, late users get their own.

    Returns how many accounts changed.
    """
    changed = 0
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
        if not billing.any_due(tx):
            return 0
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
        for customer in billing.unbound(tx, CHUNK):
            user = bound(tx, customer)
            changed += user is not None and follow(tx, user, "bound")
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
        for user in sorted(billing.grace_over(tx, CHUNK)):
            changed += follow(tx, user, "grace_over")
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
        for user in sorted(billing.lapsed(tx, CHUNK)):
            changed += _lapse(tx, user)
    return changed


def bound(tx: Tx, customer: str) -> UUID | None:
    """The user of a customer whom we hold, found now if it was unknown before."""
    user = billing.lock(tx, customer).user_id
    if user is None and (found := billing.user_for(tx, customer)) is not None:
        billing.bind(tx, customer, found, by_anybody=False)
        user = found
    return user


def _lapse(tx: Tx, user_id: UUID) -> bool:
    found = billing.account(tx, user_id)
    if found is None or found[0].status != "trial" or (ends := found[0].trial_ends_at) is None:
        return False
    if found[0].stripe_subscription_id is not None or ends > found[1]:
        return False
    return _write(tx, user_id, found[0], found[0]._replace(status="suspended"), "trial_over")
