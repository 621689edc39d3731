"""How much one claim takes: items count, however many batches they came in."""

from base.clock import wall_ms
from base.ids import uuid7_hex
from journal.appends import Batch
from journal.claims import Consumer, consumer_name
from journal.streams import Kind
from tests.journal.putting import put


def _put(url: str, batches: int, items: int) -> None:
    put(
        url, *(Batch(Kind.CLICKS, uuid7_hex(wall_ms()), items, b"[]", b"1") for _ in range(batches))
    )


def _items(consumer: Consumer, most: int) -> int:
    return sum(batch.count for batch in consumer.claim(most))


def test_full_batches_do_not_make_a_claim_of_a_hundred_thousand(journal: str) -> None:
    _put(journal, 64, 2_000)

    first = _items(Consumer(Kind.CLICKS, consumer_name()), 4_000)

    assert first == 4_000


def test_small_batches_fill_a_claim_together(journal: str) -> None:
    _put(journal, 300, 20)
    consumer = Consumer(Kind.CLICKS, consumer_name())

    first, second = _items(consumer, 4_000), _items(consumer, 4_000)

    assert first == 4_000
    assert first + second == 6_000


def test_what_failed_comes_back_whole_and_bounded(journal: str) -> None:
    _put(journal, 6, 2_000)
    consumer = Consumer(Kind.CLICKS, consumer_name())
    assert _items(consumer, 4_000) == 4_000
    consumer.failed()

    again = _items(consumer, 2_000)

    assert again == 2_000
