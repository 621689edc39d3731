"""History: what is shown of a payment is what is counted, however it was told."""

import random
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from base.clock import now, wall_ms
from base.ids import uuid7_hex
from db import receipts
from db.connection import Tx, transaction
from journal.streams import Kind
from rules.history import entries
from schemas.items import Item
from tests import make
from tests.conftest import Connect
from tests.workers.items import claimed, rows, sale
from workers.outcome import Outcome
from workers.store import store

pytestmark = pytest.mark.usefixtures("journal")

DOORS = [
    {"door": "clickbank", "integration": str(UUID(int=1)), "role": "VENDOR"},
    {"door": "clickbank", "integration": str(UUID(int=1)), "role": "AFFILIATE"},
    {"door": "postback", "integration": str(UUID(int=1))},
    {"door": "events"},
    {"door": "p"},
]


def told(user: UUID, some: random.Random) -> Item:
    """A report of one of few payments, by any door, in any state, with any amount."""
    door = some.choice(DOORS)
    made = sale(
        user,
        some.choice(["10.00", "12.00", "7.77"]),
        id=uuid7_hex(wall_ms() - some.randrange(3_600_000)),
        receipt=some.choice(["ABCD1234", "ABCD1234-B002", "EFGH5678"]),
        type=some.choice(["conversion", "conversion", "refund", "rebill"]),
        currency=some.choice(["USD", "USD", "XAU"]),  # of the latter nobody knows a rate
        **door,
    )
    changes: Any = some.choice([{}, {}, {"state": "pending"}, {"state": "rejected"}])
    if made["type"] != "refund":
        made |= changes
    if door["door"] == "postback":
        made["duplicates"] = some.choice(["first", "update", "add", "ignore"])
    return made


def counted(session: Tx) -> list[tuple[datetime, str, str]]:
    """The events that count, as the big table has them."""
    return sorted(
        (row["created_at"], row["event_type"], str(row["revenue"]))
        for row in rows(session)
        if "duplicate_of" not in row["metadata"]
    )


def shown(session: Tx) -> list[tuple[datetime, str, str]]:
    """The events that are shown of all orders."""
    ids = [row[0] for row in session.execute("SELECT id FROM orders")]
    return sorted(
        (one.created_at, one.event_type, str(one.revenue))
        for facts in receipts.of_orders(session, ids).values()
        for one in entries(facts)
        if one.counted
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_events_shown_are_the_rows_that_count(connect: Connect, seed: int) -> None:
    session, some = connect(), random.Random(seed)
    user = make.user(session)["id"]

    for _ in range(15):
        with transaction() as tx:
            batch = claimed(*[told(user, some) for _ in range(some.choice([1, 2, 4]))])
            store(tx, Kind.CONVERSIONS, [batch], now(), Outcome(Kind.CONVERSIONS))

    assert shown(session) == counted(session)
    assert len(counted(session)) > 5
