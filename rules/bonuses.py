"""Bonuses: who has earned one, and where it goes when a buyer asks for it."""

from collections.abc import Iterable, Iterator
from typing import Literal

from rules.payments import Payment, base_of, is_paid_by, payments
from schemas.receipts import Fact

CLAIM_HOURS = 72.0  # for so long a receipt may yet become a sale
MOST_REPEATS = 3

# When a claim without a sale is looked at again: an early look for a sale that was on its way
# when the first was taken; a sale that comes later wakes the claim itself.
_LOOKS_SECONDS = (5.0, 60.0, 900.0, 6 * 3600.0, 24 * 3600.0)

# What a delivery does for a claim: goes to its address, goes there once more, is there or on its
# way already, or belongs to another address, or was asked for too often.
Answer = Literal["send", "again", "coming", "another", "enough"]


def receipts_of(typed: str) -> Iterator[str]:
    """The receipts a buyer may mean, the likeliest first."""
    yield typed
    yield typed.upper()
    yield base_of(typed.upper())


def sale_of(facts: Iterable[Fact]) -> Payment | None:
    """The sale of an order that owes bonuses: counted, trusted, and nothing of it taken back."""
    known = list(payments(facts).values())
    for one in known:
        is_sale = one.type == "conversion" and one.row is not None and one.was_trusted
        if is_sale and not any(is_paid_by(refund, one) for refund in known):
            return one
    return None


def wait_seconds(looks: int, age_seconds: float) -> float | None:
    """When to look again at a claim without a sale, after so many looks; None when it is over."""
    left = CLAIM_HOURS * 3600 - age_seconds
    if left <= 0:
        return None
    usual = _LOOKS_SECONDS[min(looks, len(_LOOKS_SECONDS)) - 1]
    return min(usual, left + 1)


def answer(
    *, delivered: bool, dead: bool, has_address: bool, is_same: bool, repeats: int
) -> Answer:
    """What a delivery that was not taken back does for a claim.

    The first address stays, except where a mail server refused it: then the buyer has mistyped.
    """
    if not has_address:
        return "send"
    if not is_same:
        return "send" if dead and not delivered else "another"
    if dead:
        return "again" if repeats < MOST_REPEATS else "enough"
    if not delivered:
        return "coming"
    return "again" if repeats < MOST_REPEATS else "enough"
