"""A web server that may be called, and the thread that calls it."""

import os
from collections.abc import Iterator

import pytest

from base.settings import settings
from db.connection import Tx
from tests.conftest import Connect
from tests.fleet.program import until
from tests.web import Web, web
from workers.workflows.calling import Calling


@pytest.fixture
def server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server on loopback, which may be called."""
    with web() as found:
        monkeypatch.setitem(os.environ, "HOPFLEET_CALL_PRIVATE", "127.0.0.0/8")
        monkeypatch.setitem(os.environ, "HOPFLEET_CALL_PORTS", str(found.port))
        settings.cache_clear()
        yield found
    settings.cache_clear()


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def calling(server: Web) -> Iterator[Calling]:
    """The thread, at its end when the test is."""
    made = Calling()
    yield made
    server.release()
    made.stop()
    until(lambda: made._thread is None, 30, "calling has ended")
