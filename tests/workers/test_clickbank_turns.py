"""All processes together keep to ClickBank's limits: ten a second, and a day's requests."""

import os
import subprocess
import sys

import pytest

from base.clock import sleep
from db import api_turns
from db.connection import transaction
from tests.conftest import Connect
from workers.clickbank_turns import (
    KEPT_FOR_ORDERS,
    MOST_A_DAY,
    SERVICE,
    BudgetSpent,
    left,
    turns,
)

# Takes turns until none is left, or for two seconds, and prints when each was.
_TAKES = """
import sys, time
from workers.clickbank_turns import BudgetSpent, turns
turn, began = turns(sys.argv[1], time.sleep), time.monotonic()
try:
    while time.monotonic() < began + 2:
        turn()
        print(time.monotonic(), flush=True)
except BudgetSpent:
    pass
"""


def use(connect: Connect, key: str, count: int, hours_ago: int = 0) -> None:
    """Requests that were made in an hour."""
    connect().execute(
        "INSERT INTO api_budgets (account, hour, used)"
        " VALUES (%s, date_trunc('hour', now()) - make_interval(hours => %s), %s)",
        (api_turns.account_of(key), hours_ago, count),
    )


def by_processes(*keys: str) -> list[list[float]]:
    """When each of as many processes had its turns; their clock is one."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKES, key], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        for key in keys
    ]
    return [list(map(float, one.communicate(timeout=60)[0].split())) for one in started]


@pytest.mark.usefixtures("database")
def test_two_processes_together_keep_to_ten_a_second() -> None:
    first, second = by_processes("API-ONE", "API-TWO")

    taken = sorted(first + second)
    fullest = max(sum(at <= other < at + 1 for other in taken) for at in taken)
    assert first
    assert second
    assert 6 <= fullest <= 10


def test_two_processes_together_never_pass_the_budget(connect: Connect) -> None:
    use(connect, "API-ONE", MOST_A_DAY - 7)

    first, second = by_processes("API-ONE", "API-ONE")

    assert len(first) + len(second) == 7
    assert left("API-ONE") == 0


@pytest.mark.usefixtures("database")
def test_each_account_has_a_budget_of_its_own(connect: Connect) -> None:
    use(connect, "API-ONE", MOST_A_DAY)

    with pytest.raises(BudgetSpent) as said:
        turns("API-ONE", sleep)()
    turns("API-TWO", sleep)()

    assert "API-ONE" not in str(said.value)
    assert left("API-TWO") == MOST_A_DAY - 1


def test_products_leave_what_orders_may_need(connect: Connect) -> None:
    use(connect, "API-ONE", MOST_A_DAY - KEPT_FOR_ORDERS)

    with pytest.raises(BudgetSpent):
        turns("API-ONE", sleep, kept=KEPT_FOR_ORDERS)()
    turns("API-ONE", sleep)()

    assert left("API-ONE") == KEPT_FOR_ORDERS - 1


def test_a_day_is_any_24_hours_whenever_it_begins(connect: Connect) -> None:
    use(connect, "API-ONE", 10_000, hours_ago=24)
    use(connect, "API-ONE", 5_000, hours_ago=25)
    use(connect, "API-ONE", 100, hours_ago=49)

    remain = left("API-ONE")
    with transaction() as tx:
        forgotten = api_turns.forget(tx)

    assert remain == MOST_A_DAY - 10_000
    assert forgotten == 1


def test_a_clock_that_was_put_back_holds_nobody_up(connect: Connect) -> None:
    connect().execute(
        "INSERT INTO api_turns VALUES (%s, now() + interval '1 hour')", [SERVICE]
    )  # fmt: skip
    waited: list[float] = []

    turns("API-ONE", waited.append)()
    turns("API-ONE", waited.append)()

    assert sum(waited) < 1


def test_no_key_can_be_read_from_what_is_counted(connect: Connect) -> None:
    turns("API-SECRET", sleep)()

    rows = connect().execute("SELECT account FROM api_budgets").fetchall()
    assert len(rows) == 1
    assert "SECRET" not in rows[0][0]
