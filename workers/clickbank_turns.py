"""Turns at ClickBank's API: all our processes together keep to its limits.

Ten requests a second of one address and 25,000 a day of one account are allowed, to all programs
together; beyond them it answers 403, as it does to a wrong key.
"""

from collections.abc import Callable

from base.errors import Transient
from db import api_turns
from db.connection import transaction

SERVICE = "clickbank"
SECONDS_BETWEEN = 0.125  # eight a second: of two, one may be on its way for longer
MOST_A_DAY = 25_000
KEPT_FOR_ORDERS = 5_000  # what a night's reconciliation of orders may need: products leave it
_LIMIT_SECONDS = 10.0


class BudgetSpent(Transient):
    """An account has no request left, of those that what it is for may use."""


def turns(
    api_key: str, wait: Callable[[float], object], *, kept: int = 0
) -> Callable[[], None]:  # fmt: skip
    """What to call before each question: it waits for the turn; raises `BudgetSpent`.

    `kept` requests of the day are left to others; raises `StoreAway` without the database.
    """
    account = api_turns.account_of(api_key)

    def turn() -> None:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            seconds = api_turns.take(tx, SERVICE, SECONDS_BETWEEN, account, MOST_A_DAY - kept)
        if seconds is None:
            raise BudgetSpent(
                f"The account has used up what it may ask ClickBank in 24 hours ({MOST_A_DAY:,}"
                f" requests{f', {kept:,} of them kept for orders' if kept else ''})."
            )
        if seconds > 0:
            wait(seconds)

    return turn


def left(api_key: str, *, kept: int = 0) -> int:
    """How many questions there are turns for."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        return api_turns.left(tx, api_turns.account_of(api_key), MOST_A_DAY - kept)
