"""A broker before any actor, a clean journal, and a clean database."""

from collections.abc import Iterator

import pytest

from tests import broker_first  # noqa: F401  # isort: skip (before any actor)
from tests import nudged
from tests.journal import putting
from workers import drain, stopping


@pytest.fixture
def journal(journal_url: str, redis_url: str) -> str:
    """The address of the durable Valkey, with nothing in it."""
    putting.empty()
    drain._looked.clear()  # whoever looks for the dead is allowed to at once
    return journal_url


@pytest.fixture
def empty_broker(redis_url: str) -> None:
    """Nothing waits in any queue, and no worker was seen."""
    nudged.empty()


@pytest.fixture
def told_to_stop() -> Iterator[None]:
    """This process has been told to stop; taken back after the test."""
    stopping.tell()
    yield
    stopping._told.clear()
