"""From the journal to rows: nothing is claimed that cannot be stored, nothing is stored twice."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from base.clock import sleep, steady
from base.errors import StoreAway
from base.ids import time_of
from base.settings import settings
from db.connection import Tx, close_pool
from journal import claims
from journal.claims import STALE_MS, Consumer
from journal.streams import GROUP, Kind, stream
from tests import make
from tests.conftest import Connect
from tests.journal.putting import put
from tests.workers.items import batch, item, rows, sale
from workers import clicks, conversions
from workers.drain import drain, drained

CLICKS = Kind.CLICKS


@pytest.fixture
def session(connect: Connect, journal: str) -> Tx:
    """Looks at what was committed; the journal is empty and has its group."""
    for kind in Kind:
        claims.make_group(kind)
    return connect()


@pytest.fixture
def user(session: Tx) -> Any:
    """Somebody's id."""
    return make.user(session)["id"]


def pending() -> int:
    found: Any = claims.client().xpending(stream(CLICKS), GROUP)
    return int(found["pending"])


def test_what_waits_is_stored_and_leaves_the_journal(session: Tx, user: Any, journal: str) -> None:
    put(journal, *[batch(*[item(user) for _ in range(30)]) for _ in range(100)])

    assert drain(CLICKS) == 3_000
    assert len(rows(session)) == 3_000
    assert not claims.waiting(CLICKS)
    assert claims.depth(CLICKS).items == 0
    assert drain(CLICKS) == 0


def test_each_kind_has_its_actor(session: Tx, user: Any, journal: str) -> None:
    put(journal, batch(item(user)), batch(sale(user), kind=Kind.CONVERSIONS))

    clicks.drain()
    assert [row["event_type"] for row in rows(session)] == ["click"]
    conversions.drain()
    conversions.drain()

    assert [row["event_type"] for row in rows(session)] == ["click", "conversion"]


def test_a_batch_that_comes_again_from_a_spool_is_stored_once(
    session: Tx, user: Any, journal: str
) -> None:
    made = batch(item(user))
    put(journal, made, made)
    drain(CLICKS)
    put(journal, made)

    drain(CLICKS)

    assert len(rows(session)) == 1
    assert not claims.waiting(CLICKS)


def test_an_empty_journal_without_a_group_gets_one(session: Tx, user: Any, journal: str) -> None:
    claims.client().delete(stream(CLICKS))
    put(journal, batch(item(user)))

    assert drain(CLICKS) + drain(CLICKS) == 1


@pytest.fixture
def no_database(database: str) -> Iterator[None]:
    """PostgreSQL does not answer until the test ends."""
    close_pool()
    os.environ["HOPFLEET_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    settings.cache_clear()
    yield
    close_pool()
    os.environ["HOPFLEET_DATABASE_URL"] = database
    settings.cache_clear()


def test_while_the_database_is_away_nothing_is_claimed(
    session: Tx, user: Any, journal: str, no_database: None
) -> None:
    put(journal, batch(item(user)))

    with pytest.raises(StoreAway):
        drain(CLICKS)

    assert (pending(), claims.waiting(CLICKS)) == (0, True)


def test_what_could_not_be_stored_comes_first_the_next_time(
    session: Tx, user: Any, journal: str, connect: Connect
) -> None:
    first = item(user)
    put(journal, batch(first))
    other = connect()
    with other.transaction():
        other.execute("LOCK TABLE analytics_events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.OperationalError):
            drain(CLICKS)
        put(journal, batch(item(user)))
    assert pending() == 1

    assert drain(CLICKS) == 2

    assert rows(session)[0]["click_id"] == first["id"]
    assert len(rows(session)) == 2
    assert not claims.waiting(CLICKS)


def test_an_outage_is_no_error_of_an_actor(
    session: Tx, user: Any, journal: str, connect: Connect
) -> None:
    put(journal, batch(item(user)))
    other = connect()
    with other.transaction():
        other.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")

        drained(CLICKS)

    drained(CLICKS)
    assert len(rows(session)) == 1


def test_a_missing_day_of_the_ledger_is_made_and_costs_one_try(
    session: Tx, user: Any, journal: str
) -> None:
    made = batch(item(user))
    name = f"ledger_{time_of(made.id):%Y%m%d}"
    session.execute(f"DROP TABLE {name}")
    put(journal, made)

    drained(CLICKS)
    drained(CLICKS)

    assert len(rows(session)) == 1
    assert session.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)


def test_who_was_told_to_stop_claims_nothing(
    session: Tx, user: Any, journal: str, told_to_stop: None
) -> None:
    put(journal, batch(item(user)))

    assert drain(CLICKS) == 0
    assert (pending(), claims.waiting(CLICKS)) == (0, True)


def died_with(journal: str, *made: Any) -> Consumer:
    """A consumer that claimed these long ago and was never seen again."""
    dead = Consumer(CLICKS, claims.consumer_name())
    put(journal, *made)
    ids: Any = [one.entry for one in dead.claim(100_000)]
    claims.client().xclaim(stream(CLICKS), GROUP, dead.name, 0, ids, idle=STALE_MS + 1, justid=True)
    return dead


def test_a_dead_workers_claims_are_stored_by_another(session: Tx, user: Any, journal: str) -> None:
    died_with(journal, *[batch(item(user)) for _ in range(150)])

    end = steady() + 10
    while claims.waiting(CLICKS) and steady() < end:
        drain(CLICKS)

    assert len(rows(session)) == 150
    assert pending() == 0


def test_a_dead_workers_session_is_ended_before_its_claims_are_taken(
    session: Tx, user: Any, journal: str, connect: Connect
) -> None:
    made = batch(item(user))
    dead = died_with(journal, made)
    stuck = connect()
    stuck.execute("SELECT set_config('application_name', %s, false)", (dead.name[:63],))
    stuck.execute("BEGIN")
    stuck.execute("INSERT INTO ledger (batch_id) VALUES (%s::uuid)", (made.id,))

    assert drain(CLICKS) == 1

    assert len(rows(session)) == 1
    with pytest.raises(psycopg.OperationalError):
        stuck.execute("COMMIT")


def test_a_batch_of_another_release_holds_up_nobody(
    session: Tx, user: Any, journal: str, connect: Connect
) -> None:
    put(journal, batch(item(user), version=b"99"), batch(item(user)))
    drain(CLICKS)
    put(journal, batch(item(user)))
    other = connect()
    with other.transaction():
        other.execute("LOCK TABLE analytics_events IN ACCESS EXCLUSIVE MODE")
        drained(CLICKS)

    began = steady()
    drain(CLICKS)

    assert len(rows(session)) == 2
    assert pending() == 1
    assert steady() - began < 3


def test_a_drain_that_is_asked_again_while_it_works_sees_to_it(
    session: Tx, user: Any, journal: str
) -> None:
    """Nudges that find the work in hand end at once; what came with them is not left behind."""

    def one(_: int) -> int:
        put(journal, batch(item(user)))
        return drain(CLICKS)

    with ThreadPoolExecutor(8) as pool:
        total = sum(pool.map(one, range(40)))

    end = steady() + 5
    while claims.waiting(CLICKS) and steady() < end:
        sleep(0.01)
    assert len(rows(session)) == 40
    assert total == 40
