"""What Stripe's subscriptions mean for an account: status, tier, the end of its trial.

An account's subscriptions have a history of states, each as an event or an answer of Stripe told
it. The account is the history folded in the order of Stripe's clock, so that it is all one in
which order, how often and by how many hands the states came in.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

TIERS = ("starter", "professional", "agency")  # from low to high

# The better first: what an account with several subscriptions goes by. `incomplete` is not among
# them, since a first payment that is still open grants nothing and takes nothing.
_RANKS = {
    status: rank
    for rank, status in enumerate(
        ("active", "trialing", "past_due", "unpaid", "paused", "canceled", "incomplete_expired")
    )
}
KNOWN = frozenset({*_RANKS, "incomplete"})
_ENDED = frozenset({"canceled", "incomplete_expired"})
_GRANTING = frozenset({"active", "trialing"})
_STATUSES = {
    "active": "active",
    "trialing": "trial",
    "unpaid": "suspended",
    "paused": "suspended",
    "canceled": "canceled",
    "incomplete_expired": "canceled",
}


class State(NamedTuple):
    """What a subscription was at a moment of Stripe's clock; `event` tells equal seconds apart."""

    customer: str
    subscription: str
    made_at: datetime
    event: str
    status: str
    tier: str | None = None  # by its price; None where no price is known
    begun_at: datetime | None = None
    trial_end: datetime | None = None
    ended_at: datetime | None = None


class Standing(NamedTuple):
    """How an account stands with Stripe; None leaves what the account has, unless said else."""

    status: str | None = None
    tier: str | None = None
    customer: str | None = None  # with `known`: None is none
    subscription: str | None = None
    known: bool = False  # whether Stripe has said anything that counts
    trial_ends_at: datetime | None = None
    sets_trial: bool = False  # whether `trial_ends_at` is to be written, be it None
    grace_ends_at: datetime | None = None  # then it must be looked at again


def stands(
    states: Iterable[State], gone: Mapping[str, datetime], now: datetime, grace: timedelta
) -> Standing:
    """How an account stands; `gone` are customers that were deleted, and when.

    States of a status that is unknown to us count for nothing: what was known before holds.
    """
    current: dict[str, State] = {}
    late_since: dict[str, datetime] = {}
    standing = Standing()
    for state in sorted(filter(_counts, states), key=_place):
        before = current.get(state.subscription)
        if before is not None and before.status in _ENDED:
            continue  # the end of a subscription is never undone
        if state.status == "past_due":
            late_since.setdefault(state.subscription, state.made_at)
        else:
            late_since.pop(state.subscription, None)
        current[state.subscription] = state
        standing = _with(standing, _best(current.values(), {}))
    if gone:
        standing = _with(standing, _best(current.values(), gone))
    return _at(standing, current, late_since, gone, now, grace)


def holds_back(status: str) -> bool | None:
    """Whether a dispute of this status suspends the account; None for a status we do not know."""
    if status in ("needs_response", "under_review", "lost"):
        return True
    if status in ("won", "prevented") or status.startswith("warning_"):
        return False  # a warning is a bank's question, not a dispute yet
    return None


def _counts(state: State) -> bool:
    return state.status in _RANKS


def _place(state: State) -> tuple[datetime, bool, str]:
    return state.made_at, state.status in _ENDED, state.event


def _best(current: Iterable[State], gone: Mapping[str, datetime]) -> State | None:
    """The subscription the account goes by; those of a deleted customer are over."""
    told = [_over(one, gone[one.customer]) if one.customer in gone else one for one in current]
    return min(told, key=_order) if told else None


def _over(state: State, at: datetime) -> State:
    ended = state if state.status in _ENDED else state._replace(status="canceled")
    return ended._replace(ended_at=state.ended_at or at)


def _order(state: State) -> tuple[int, int, float, str]:
    tier = TIERS.index(state.tier) if state.tier in TIERS else -1
    begun = state.begun_at.timestamp() if state.begun_at else 0.0
    return _RANKS[state.status], -tier, -begun, state.subscription


def _with(standing: Standing, best: State | None) -> Standing:
    """The standing after one more state: what it goes by, and what it keeps."""
    if best is None:
        return standing
    changed = standing._replace(customer=best.customer, subscription=best.subscription, known=True)
    if best.status in _GRANTING and best.tier is not None:
        changed = changed._replace(tier=best.tier)
    if best.status == "trialing" and best.trial_end is not None:
        changed = changed._replace(trial_ends_at=best.trial_end, sets_trial=True)
    elif best.status == "canceled" and best.trial_end is not None:
        end = min(best.trial_end, best.ended_at or best.trial_end)
        changed = changed._replace(trial_ends_at=end, sets_trial=True)
    return changed


def _at(
    standing: Standing,
    current: Mapping[str, State],
    late_since: Mapping[str, datetime],
    gone: Mapping[str, datetime],
    now: datetime,
    grace: timedelta,
) -> Standing:
    """The status now: what is past due is active as long as grace lasts."""
    best = _best(current.values(), gone)
    if gone and (best is None or best.customer in gone):
        return standing._replace(
            status="canceled", customer=None, subscription=None, known=True,
            trial_ends_at=None, sets_trial=True,
        )  # fmt: skip
    if best is None:
        return standing
    if best.status != "past_due":
        return standing._replace(status=_STATUSES[best.status])
    ends = late_since[best.subscription] + grace
    if now < ends:
        return standing._replace(status="active", grace_ends_at=ends)
    return standing._replace(status="suspended")


def tier_of(
    prices: Iterable[Mapping[str, str | None]],
    by_price: Mapping[str, str],
    by_product: Mapping[str, str],
) -> str | None:
    """The highest tier that a subscription's prices grant; None when no price is known.

    Each price has `id`, `lookup`, `product` and `tier` (its metadata's). Our own table comes
    first, since a lookup key can be transferred to another price; then the key's first word, as
    in `agency_yearly`.
    """
    found = []
    for price in prices:
        told = (
            by_price.get(price.get("id") or ""),
            (price.get("lookup") or "").partition("_")[0],
            price.get("tier"),
            by_product.get(price.get("product") or ""),
        )
        found += [tier for tier in told if tier in TIERS][:1]
    return max(found, key=TIERS.index, default=None)
