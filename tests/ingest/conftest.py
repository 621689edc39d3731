"""Doors of this process, and what they stand on."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from base.settings import settings
from journal import claims
from ops.local.servers import Server, start_journal
from tests import broker_first  # noqa: F401 (before the doors, which send nudges)
from tests.ingest.door import Door
from tests.journal import putting

OpenDoor = Callable[..., Door]


@pytest.fixture
def journal(journal_url: str) -> str:
    """The address of the durable Valkey, with nothing in it."""
    putting.empty()
    return journal_url


@pytest.fixture
def open_door(
    database: str, journal_url: str, redis_url: str, tmp_path: Path
) -> Iterator[OpenDoor]:
    """Opens doors with these settings; they are stopped in order when the test ends."""
    opened: list[Door] = []

    def make(**more: object) -> Door:
        folder = more.pop("folder", tmp_path)
        opened.append(Door(Path(str(folder)), **more))
        return opened[-1]

    yield make
    for door in opened:
        door.stop()


@pytest.fixture
def door(journal: str, open_door: OpenDoor) -> Door:
    """A door with all its stores."""
    return open_door()


@pytest.fixture
def own_journal(journal_url: str) -> Iterator[Server]:
    """A journal that a test may stall and end; `settings` has it until then."""
    folder = Path(tempfile.mkdtemp(prefix="hopfleet-journal-"))
    server = start_journal(folder)
    _point_at(server.url)
    yield server
    server.stop()
    _point_at(journal_url)
    shutil.rmtree(folder, ignore_errors=True)


def _point_at(url: str) -> None:
    os.environ["HOPFLEET_JOURNAL_URL"] = url
    settings.cache_clear()
    if claims.client.cache_info().currsize:
        claims.client().close()
    claims.client.cache_clear()
    claims._script.cache_clear()
