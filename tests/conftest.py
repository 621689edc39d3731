"""Fixtures that all rooms share: a data folder, a clean database, and real Valkeys.

Nothing is started that no test asks for. With `pytest -n`, all processes share one PostgreSQL
and each has a database and Valkeys of its own.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog

from base.settings import settings
from db.connection import Tx, close_pool
from tests.servers import Servers, create_database, drop_database

Connect = Callable[[], Tx]

_servers = Servers()

# Deleting users takes all with it that hangs on them; the log of changes comes last.
_TABLES = (
    "users", "products", "held_events", "purges", "ledger", "queue_controls", "processes",
    "link_changes", "bot_rules", "door_counts", "event_outcomes", "host_spools", "rates",
    "webhooks", "stripe_customers", "stripe_prices", "chores", "publications",
    "workflow_events", "product_syncs", "product_words", "api_turns", "api_budgets",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the shared PostgreSQL's address to a process of `pytest -n`."""
    node.workerinput["postgres"] = _servers.postgres


def pytest_unconfigure() -> None:
    """End what this process started."""
    _servers.stop()


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting of the shell reaches a test, and no test writes into the checkout."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("HOPFLEET_") and name != "HOPFLEET_PG_BINDIR":
            del os.environ[name]
    os.environ["HOPFLEET_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    settings.cache_clear()
    yield
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A command run inside a test sends the logs to a stream that ends with it."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting, as in a newcomer's shell: other tests point theirs at stores of their own."""
    for name in list(os.environ):
        if name.startswith("HOPFLEET_") and name != "HOPFLEET_PG_BINDIR":
            monkeypatch.delenv(name)


def _set(name: str, value: str) -> None:
    os.environ[name] = value
    settings.cache_clear()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The address of the server's first database, from which others are made."""
    shared: dict[str, str] = getattr(request.config, "workerinput", {})
    return shared.get("postgres") or _servers.postgres


@pytest.fixture(scope="session")
def _database(postgres: str) -> Iterator[str]:
    name = f"tests_{os.getpid()}"
    address = create_database(postgres, name)
    _set("HOPFLEET_DATABASE_URL", address)
    yield address
    close_pool()
    drop_database(postgres, name)


@pytest.fixture
def database(_database: str) -> Iterator[str]:
    """The address of this process's database, empty again after the test; `settings` has it."""
    yield _database
    with psycopg.connect(_database) as session:
        session.execute("SET lock_timeout = '5s'")  # a test left a transaction open
        for table in _TABLES:
            session.execute(f"DELETE FROM {table}")


@pytest.fixture
def connect(database: str) -> Iterator[Connect]:
    """Makes plain psycopg sessions in autocommit, as another application has them."""
    made: list[Tx] = []

    def open_one() -> Tx:
        made.append(psycopg.connect(database, autocommit=True))
        return made[-1]

    yield open_one
    for session in made:
        session.close()


@pytest.fixture
def tx(database: str) -> Iterator[Tx]:
    """A transaction; what a test wants others to see it commits itself."""
    session = psycopg.connect(database)
    yield session
    session.close()


@pytest.fixture
def scratch(postgres: str) -> Iterator[str]:
    """The address of a database without any tables, for this test alone."""
    name = f"scratch_{os.getpid()}"
    yield create_database(postgres, name, template="template0")
    drop_database(postgres, name)


@pytest.fixture(scope="session")
def journal_url() -> str:
    """The address of this process's durable Valkey; `settings` has it."""
    _set("HOPFLEET_JOURNAL_URL", _servers.journal)
    return _servers.journal


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The address of this process's Valkey for broker and cache; `settings` has it."""
    _set("HOPFLEET_REDIS_URL", _servers.broker)
    return _servers.broker
