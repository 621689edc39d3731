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
# Nothing is written of the search's limits: slow enough that nobody minds.
SEARCH_SERVICE = "clickbank_search"
SEARCH_SECONDS_BETWEEN = 0.5
SEARCH_MOST_A_DAY = 5_000
_LIMIT_SECONDS = 10.0


class BudgetSpent(Transient):
    """An account has no request left, of those that what it is for may use."""


def turns(api_key: str, wait: Callable[[float], object], *, kept: int = 0) -> Callable[[], None]:
    """What to call before each question: it waits for the turn; raises `BudgetSpent`.

    `kept` requests of the day are left to others; raises `StoreAway` without the database.
    """
    return _turns(
        SERVICE, SECONDS_BETWEEN, api_turns.account_of(api_key), MOST_A_DAY - kept, wait,
        f"The account has used up what it may ask ClickBank in 24 hours ({MOST_A_DAY:,}"
        f" requests{f', {kept:,} of them kept for orders' if kept else ''}).",
    )  # fmt: skip


def search_turns(wait: Callable[[float], object]) -> Callable[[], None]:
    """The same for the marketplace's search, which has no account and no written limit."""
    return _turns(
        SEARCH_SERVICE, SEARCH_SECONDS_BETWEEN, SEARCH_SERVICE, SEARCH_MOST_A_DAY, wait,
        f"The marketplace search was asked {SEARCH_MOST_A_DAY:,} times in 24 hours.",
    )  # fmt: skip


def _turns(
    service: str, seconds: float, account: str, most: int, wait: Callable[[float], object],
    spent: str,
) -> Callable[[], None]:  # fmt: skip
    def turn() -> None:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            until = api_turns.take(tx, service, seconds, account, most)
        if until is None:
            raise BudgetSpent(spent)
        if until > 0:
            wait(until)

    return turn


def left(api_key: str, *, kept: int = 0) -> int:
    """How many questions there are turns for."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        return api_turns.left(tx, api_turns.account_of(api_key), MOST_A_DAY - kept)
