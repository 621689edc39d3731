"""A server that says nothing any more keeps nobody waiting for ever."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from base.clock import steady
from base.settings import settings
from db.connection import close_pool, transaction
from tests.fleet.proxy import Proxy
from tests.fleet.wires import PostgresWatch, commit

LIMIT_SECONDS = 0.5


@pytest.fixture
def wire(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy between this process and its database."""
    close_pool()
    url = urlsplit(database)
    proxy = Proxy(url.port or 0, PostgresWatch)
    near = f"{url.netloc.rpartition(':')[0]}:{proxy.port}"
    monkeypatch.setenv("HOPFLEET_DATABASE_URL", url._replace(netloc=near).geturl())
    settings.cache_clear()
    yield proxy
    close_pool()
    monkeypatch.undo()
    settings.cache_clear()
    proxy.end()


def _ask(wire: Proxy) -> None:
    """A transaction in whose middle the network falls silent."""
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        tx.execute("SELECT 1")
        wire.stall()
        tx.execute("SELECT 2")


def test_a_statement_without_an_answer_fails_after_the_limit(wire: Proxy) -> None:
    began = steady()

    with pytest.raises(psycopg.OperationalError):
        _ask(wire)

    assert LIMIT_SECONDS <= steady() - began < LIMIT_SECONDS + 2
    wire.flow()


def test_a_commit_without_an_answer_fails_after_the_limit_and_stands(wire: Proxy) -> None:
    wire.swallow(commit, hang=True)

    with pytest.raises(psycopg.OperationalError), transaction(limit_seconds=LIMIT_SECONDS) as tx:
        tx.execute("INSERT INTO products (clickbank_id, title, vendor) VALUES ('a', 'b', 'c')")
    with transaction() as tx:
        found = tx.execute("SELECT count(*) FROM products").fetchone()

    assert found == (1,)


def test_other_sessions_are_not_waited_for(wire: Proxy) -> None:
    with transaction() as tx, transaction() as another:
        tx.execute("SELECT 1")
        another.execute("SELECT 1")
    began = steady()

    with pytest.raises(psycopg.OperationalError):
        _ask(wire)
    wire.flow()
    with transaction(wait_seconds=5) as tx:
        tx.execute("SELECT 1")

    assert steady() - began < 5


def test_who_keeps_within_the_limit_is_left_alone(wire: Proxy) -> None:
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        tx.execute("SELECT 1")
    with transaction() as tx:
        tx.execute("SELECT pg_sleep(%s)", (2 * LIMIT_SECONDS,))
        found = tx.execute("SELECT 2").fetchone()

    assert found == (2,)
