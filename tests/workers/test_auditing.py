"""The audit, beside what the whole fleet shows: what it says when it cannot look everywhere."""

from datetime import UTC, datetime, timedelta

import pytest

from base.ids import uuid7_hex
from db import audit, held
from db.connection import Tx
from journal.streams import Kind
from journal.waiting import PAGE, waiting
from tests.conftest import Connect
from tests.journal import putting
from workers.maintenance.auditing import take

NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
MINUTE = int(NOON.timestamp()) // 60


@pytest.fixture
def nothing_told(connect: Connect) -> Tx:
    """A session; no audit of another test is in the database."""
    session = connect()
    for table in ("door_counts", "event_outcomes", "host_spools"):
        session.execute(f"DELETE FROM {table}")
    return session


def test_a_journal_too_long_to_be_read_to_its_end_raises_no_alarm(nothing_told: Tx, tx: Tx) -> None:
    audit.publish(nothing_told, "door", [(MINUTE, "r", 7, 7, 0, 0)])

    part = take(tx, {}, NOON, None, whole=False)
    tx.rollback()
    all_of_it = take(tx, {}, NOON, None, whole=True)

    assert (part.missing, part.elsewhere, part.whole) == (0, 7, False)
    assert (all_of_it.missing, all_of_it.elsewhere, all_of_it.whole) == (7, 0, True)


def test_dead_letters_older_than_all_counts_are_no_surplus(nothing_told: Tx, tx: Tx) -> None:
    old = uuid7_hex((MINUTE - 40 * 24 * 60) * 60_000)
    held.hold(nothing_told, [held.dead_batch("clicks", old, b"?", "r:1", "bad")])

    report = take(tx, {}, NOON - timedelta(days=60), None, whole=True)

    assert report.surplus == 0


def test_a_journal_says_whether_it_was_read_to_its_end(journal_url: str) -> None:
    putting.empty()
    putting.put(journal_url, *(putting.batch() for _ in range(PAGE + 1)))

    first, all_of_it = waiting(Kind.CLICKS, most_pages=1), waiting(Kind.CLICKS, most_pages=2)

    putting.empty()
    assert (len(first[0]), first[1]) == (PAGE, False)
    assert (len(all_of_it[0]), all_of_it[1]) == (PAGE + 1, True)
