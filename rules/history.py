"""History: from all that was ever told of an order to the events it comes down to."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rules.payments import Verdict, excess, is_paid_by, payments
from schemas.receipts import Fact

_COUNTS = frozenset({Verdict.COUNT, Verdict.CORRECT, Verdict.REVERSE})


class Entry(NamedTuple):
    """An event with everybody who told of it, or a payment that is no event yet.

    `revenue` is what it comes to now, in dollars and signed.
    """

    id: str
    event_type: str
    receipt: str
    state: str  # as it was told last
    counted: bool
    revenue: Decimal | None
    created_at: datetime
    reason: str | None
    flags: list[str]
    roads: list[Fact]


def entries(facts: Iterable[Fact]) -> list[Entry]:
    """What an order's facts, in the order they came, come down to; by the time of each event.

    A report that takes a payment back is a refund; one that approves it once more is a sale
    once more.
    """
    told = list(facts)
    groups: list[list[Fact]] = []
    current: dict[str, list[Fact]] = {}
    for fact in told:
        group = current.get(fact.event_id)
        again = group is not None and fact.verdict == Verdict.COUNT and _counted(group)
        if fact.verdict == Verdict.REVERSE:
            groups.append([fact])
        elif group is None or again:
            current[fact.event_id] = [fact]
            groups.append(current[fact.event_id])
        else:
            group.append(fact)
    found = [_entry(group, told) for group in groups]
    return sorted(found, key=lambda one: (one.created_at, one.event_type, one.id))


def _counted(group: list[Fact]) -> list[Fact]:
    return [one for one in group if one.verdict in _COUNTS]


def _entry(group: list[Fact], told: list[Fact]) -> Entry:
    counting = _counted(group)
    first = counting[0] if counting else group[0]
    amounts = [one.revenue for one in counting if one.revenue is not None]
    is_reversal = first.verdict == Verdict.REVERSE
    return Entry(
        first.item_id if counting else first.event_id,
        "refund" if is_reversal else first.type,
        first.receipt,
        group[-1].state,
        bool(counting),
        sum(amounts, Decimal()) if amounts else None,
        first.created_at,
        _reason(first, is_reversal=is_reversal),
        _flags(group, told),
        group,
    )


def _reason(fact: Fact, *, is_reversal: bool) -> str | None:
    """Why something was taken back, as the event's `metadata.reason` has it."""
    if is_reversal:
        return fact.reason or "rejected"
    if fact.type == "refund":
        return fact.reason or fact.state
    return fact.reason


def _flags(group: list[Fact], told: list[Fact]) -> list[str]:
    """What is odd about it as things are now: an orphan is none when its payment has come."""
    flags = {flag for one in group for flag in one.flags}
    fact = group[0]
    if fact.type == "refund" and fact.verdict != Verdict.REVERSE:
        known = payments(told)
        refund = known[fact.event_id]
        if any(one.trust and is_paid_by(refund, one) for one in known.values()):
            flags.discard("orphan")
        if excess(known.values(), fact.receipt, fact.role):
            flags.add("excess")
    if any(one.verdict == Verdict.COUNT and one.amount and one.revenue is None for one in group):
        flags.add("no_rate")
    return sorted(flags)
