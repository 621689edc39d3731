"""Money: decimal amounts as senders write them, and what they add to revenue."""

import re
from decimal import ROUND_HALF_EVEN, Decimal

from base.errors import Refused
from schemas.fields import AMOUNT

_AMOUNT = re.compile(AMOUNT)
CENT = Decimal("0.01")
LARGEST = Decimal("99999999.99")  # DECIMAL(10,2)


def amount(text: str) -> Decimal:
    """An amount such as `12.50`: up to eight digits and two decimals, nothing else.

    Raises `Refused` for signs, exponents, NaN, spaces, separators and digits of other scripts,
    all of which `Decimal` itself would take.
    """
    if len(text) > 11 or text.endswith("\n") or not _AMOUNT.match(text):
        raise Refused(
            'The amount must be a decimal such as "12.50", below 100,000,000,'
            " without sign, exponent or thousands separators."
        )
    return Decimal(text)


def signed(event_type: str, amount: Decimal) -> Decimal:
    """What an event adds to revenue: refunds take away; `Refused` for clicks and views."""
    if event_type == "refund":
        return -amount if amount else amount
    if event_type in ("conversion", "rebill"):
        return amount
    raise Refused(f"A {event_type} has no revenue.")


def dollars(amount: Decimal, rate: Decimal) -> Decimal | None:
    """An amount of another currency at so many dollars for one; None when no row can hold it."""
    worth = (amount * rate).quantize(CENT, ROUND_HALF_EVEN)
    return worth if worth <= LARGEST else None
