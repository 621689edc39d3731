"""`hopfleet queues`: what waits, in events and rows, whoever holds it."""

import asyncio
from collections.abc import Iterator

import pytest

from base.clock import OffsetClock
from db import purges, work
from db.held import HeldEvent, dead_item, deferred_item, hold
from db.purges import Purge
from journal import claims
from journal.appends import Appender, Batch
from journal.claims import Consumer
from journal.streams import Kind, items_key, stream
from schemas.items import VERSION, Item, pack
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

QUEUES = [
    "clicks", "conversions", "webhooks", "bonuses", "workflows", "content", "products",
    "maintenance",
]  # fmt: skip


@pytest.fixture
def journal(journal_url: str) -> Iterator[str]:
    """A journal that is empty before and after."""
    keys = [*map(stream, Kind), *map(items_key, Kind)]
    claims.client().delete(*keys)
    yield journal_url
    claims.client().delete(*keys)


def append(url: str, kind: Kind, user: str, count: int) -> None:
    async def send() -> None:
        appender = Appender(url, OffsetClock(), budget_seconds=5, replicas=0, volatile_ok=False)
        await appender.connect(5)
        items: list[Item] = [
            {"id": make.batch_id(), "type": "click", "user": user, "meta": {}} for _ in range(count)
        ]
        await appender.append([Batch(kind, make.batch_id(), count, pack(items), VERSION)])
        appender.close()

    asyncio.run(send())


def test_an_idle_fleet_has_eight_empty_queues(run: Run, journal: str) -> None:
    said = run("queues", "--json")

    assert said.code == 0
    assert said.json == [
        {
            "queue": queue, "state": "running", "since": None, "threads": None,
            "depth": 0, "oldest_seconds": 0.0, "in_flight": 0, "dead": 0,
        }
        for queue in QUEUES
    ]  # fmt: skip


def test_depth_counts_events_and_rows_not_batches(run: Run, connect: Connect, journal: str) -> None:
    session = connect()
    user = str(make.user(session)["id"])
    append(journal, Kind.CLICKS, user, 30)
    append(journal, Kind.CLICKS, user, 12)
    append(journal, Kind.CONVERSIONS, user, 5)
    claims.make_group(Kind.CONVERSIONS)
    Consumer(Kind.CONVERSIONS, "somebody").claim(1)
    item: Item = {"id": make.batch_id(), "type": "click", "user": user, "meta": {}}
    hold(session, [deferred_item("clicks", make.batch_id(), 0, item)])
    hold(session, [dead_item("conversions", make.batch_id(), 0, item, "test")])
    purges.mark(session, "user", user)
    work.claim(session, Purge, 1, 60)

    rows = {row["queue"]: row for row in run("queues", "--json").json}

    assert {name: rows[name]["depth"] for name in QUEUES} == {
        "clicks": 43, "conversions": 5, "webhooks": 0, "bonuses": 0, "workflows": 0,
        "content": 0, "products": 0, "maintenance": 1,
    }  # fmt: skip
    assert [rows[name]["in_flight"] for name in ("clicks", "conversions", "maintenance")] == [
        0, 5, 1,
    ]  # fmt: skip
    assert [rows[name]["dead"] for name in ("clicks", "conversions")] == [0, 1]
    assert rows["clicks"]["oldest_seconds"] > 0


def test_people_are_told_where_the_dead_are(run: Run, connect: Connect, journal: str) -> None:
    hold(connect(), [dead_item("clicks", make.batch_id(), 0, {}, "test")])

    said = run("queues")

    assert [word for word in QUEUES if word not in said.out] == []
    assert "hopfleet dead list" in said.err


def test_rows_of_a_table_are_counted_by_column(connect: Connect) -> None:
    session = connect()
    batch = make.batch_id()
    hold(session, [dead_item("clicks", batch, place, {}, "test") for place in range(3)])
    first = session.execute("SELECT min(id) FROM held_events").fetchone()
    assert first is not None
    work.replay(session, HeldEvent, [first[0]])

    depths = work.depths(session, HeldEvent, "kind")

    assert set(depths) == {"clicks"}
    assert depths["clicks"][:4] == (1, 0, {"test": 2}, 0)
    assert work.depths(session, Purge) == {}
