"""Accounts beyond their share wait in a stream of their own: others' events overtake them."""

from typing import Any

import pytest

from db.connection import Tx
from journal import claims
from journal.claims import STALE_MS, Consumer
from journal.streams import BULK, GROUP, Kind, stream
from tests import make
from tests.conftest import Connect
from tests.journal.putting import put
from tests.workers.items import batch, item, rows
from workers import depths
from workers.drain import ITEMS_A_TRANSACTION, LEAST_BULK_ITEMS, drain

CLICKS, CLICKS_BULK = Kind.CLICKS, Kind.CLICKS_BULK
BATCH = 500


@pytest.fixture
def session(connect: Connect, journal: str) -> Tx:
    for kind in Kind:
        claims.make_group(kind)
    return connect()


@pytest.fixture
def flooding(session: Tx) -> Any:
    return make.user(session)["id"]


@pytest.fixture
def other(session: Tx) -> Any:
    return make.user(session)["id"]


def pile(journal: str, user: Any, count: int, kind: Kind) -> None:
    """`count` items in full batches."""
    for _ in range(count // BATCH):
        put(journal, batch(*[item(user) for _ in range(BATCH)], kind=kind))


def whose(session: Tx) -> list[Any]:
    """The owners of all rows, in the order in which they were written."""
    return [row["user_id"] for row in rows(session)]


@pytest.mark.parametrize("kind", list(BULK))
def test_what_came_later_overtakes_a_flood(
    session: Tx, flooding: Any, other: Any, journal: str, kind: Kind
) -> None:
    pile(journal, flooding, 2 * ITEMS_A_TRANSACTION, BULK[kind])
    put(journal, batch(item(other), kind=kind))

    while claims.waiting(kind) or claims.waiting(BULK[kind]):
        drain(kind)

    written = whose(session)
    assert written[0] == other
    assert written[1:] == [flooding] * 2 * ITEMS_A_TRANSACTION


def test_a_flood_goes_on_however_much_others_send(
    session: Tx, flooding: Any, other: Any, journal: str
) -> None:
    pile(journal, other, 2 * ITEMS_A_TRANSACTION, CLICKS)
    pile(journal, flooding, 2 * LEAST_BULK_ITEMS, CLICKS_BULK)

    while claims.waiting(CLICKS) or claims.waiting(CLICKS_BULK):
        drain(CLICKS)

    first = whose(session)[: ITEMS_A_TRANSACTION + LEAST_BULK_ITEMS]
    assert first.count(flooding) >= LEAST_BULK_ITEMS
    assert len(whose(session)) == 2 * ITEMS_A_TRANSACTION + 2 * LEAST_BULK_ITEMS


def test_one_batch_in_both_streams_is_stored_once(session: Tx, flooding: Any, journal: str) -> None:
    made = batch(item(flooding))

    put(journal, made, type(made)(CLICKS_BULK, made.id, made.count, made.body, made.version))
    drain(CLICKS)

    assert len(rows(session)) == 1
    assert not claims.waiting(CLICKS)
    assert not claims.waiting(CLICKS_BULK)


def test_a_dead_workers_share_of_a_flood_is_stored_by_another(
    session: Tx, flooding: Any, journal: str
) -> None:
    pile(journal, flooding, BATCH, CLICKS_BULK)
    dead = Consumer(CLICKS_BULK, claims.consumer_name())
    entries: Any = [one.entry for one in dead.claim(100_000)]
    claims.client().xclaim(
        stream(CLICKS_BULK), GROUP, dead.name, 0, entries, idle=STALE_MS + 1, justid=True
    )

    drain(CLICKS)

    assert len(rows(session)) == BATCH


def test_what_cannot_be_stored_is_held_as_its_own_kind(
    session: Tx, flooding: Any, journal: str
) -> None:
    put(journal, batch(item(flooding, type="\0"), item(flooding), kind=CLICKS_BULK))

    drain(CLICKS)

    held = session.execute("SELECT kind, state FROM held_events").fetchall()
    assert held == [("clicks", "dead")]
    assert len(rows(session)) == 1


def test_a_queue_is_as_deep_as_both_its_streams(
    session: Tx, flooding: Any, other: Any, journal: str
) -> None:
    pile(journal, flooding, BATCH, CLICKS_BULK)
    put(journal, batch(item(other)))

    with session.transaction():
        found = depths.read(session)

    assert {str(one.queue): one.depth for one in found}["clicks"] == BATCH + 1
