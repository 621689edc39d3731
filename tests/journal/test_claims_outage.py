"""Claims while the journal itself goes away."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from base.errors import StoreAway
from journal import claims
from journal.streams import Kind, stream
from ops.local.servers import Server, start_journal
from tests.journal.conftest import DURABLE, PointAt, StartValkey
from tests.journal.putting import batch, consumer, put

MOST = 1_000  # items
CLICKS = Kind.CLICKS


@pytest.fixture
def own_journal(point_journal_at: PointAt) -> Iterator[Server]:
    """A journal that this test may end."""
    folder = Path(tempfile.mkdtemp(prefix="hopfleet-journal-"))
    server = start_journal(folder)
    point_journal_at(server.url)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_journal_that_is_gone_is_a_store_that_is_away(own_journal: Server) -> None:
    mine = consumer()
    claims.make_group(CLICKS)
    put(own_journal.url, batch())
    claimed = mine.claim(10)
    own_journal.kill()

    for act in (
        lambda: mine.claim(10),
        lambda: mine.acknowledge(claimed),
        mine.stale,
        lambda: mine.take_over([b"1-1"], MOST),
        lambda: claims.depth(CLICKS),
        lambda: claims.waiting(CLICKS),
        lambda: claims.oldest_batch_at(CLICKS),
        lambda: claims.forget_idle_consumers(CLICKS),
    ):
        with pytest.raises(StoreAway):
            act()


def test_claims_survive_a_journal_that_was_killed(own_journal: Server) -> None:
    mine = consumer()
    claims.make_group(CLICKS)
    put(own_journal.url, batch(count=3))
    claimed = mine.claim(10)
    own_journal.kill()
    back = start_journal(own_journal.folder)

    mine.failed()
    again = mine.claim(10)
    mine.acknowledge(again)

    assert again == claimed
    assert claims.depth(CLICKS).items == 0
    back.stop()


def test_a_full_journal_is_emptied_by_those_who_store(
    start_valkey: StartValkey, point_journal_at: PointAt
) -> None:
    server = start_valkey(*DURABLE)
    point_journal_at(server.url)
    put(server.url, batch(count=3), batch(count=4))
    ours = consumer()
    first = ours.claim(3)
    server.client.config_set("maxmemory", 1)

    ours.acknowledge(first)
    ours.acknowledge(ours.claim(100))

    assert claims.depth(CLICKS).items == 0
    assert claims.client().xlen(stream(CLICKS)) == 0
