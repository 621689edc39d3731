"""Long work leaves the machine to the doors while they are busy, and only then."""

from collections.abc import Iterator

import pytest

from base.clock import steady
from base.settings import settings
from journal import claims
from ops.local.ports import free_port
from tests.journal.putting import batch, consumer, put
from workers.products.pacing import BUSY_ITEMS, SHARE, Pace

WORK_SECONDS = 0.05


def _paced(pieces: int) -> float:
    """Which share of the time was work, of pieces of 50 ms each."""
    pace = Pace()
    began = steady()
    for _ in range(pieces):
        until = steady() + WORK_SECONDS
        while steady() < until:
            pass
        pace.rest()
    return pieces * WORK_SECONDS / (steady() - began)


def test_nothing_waits_while_doors_are_idle(journal: str) -> None:
    put(journal, batch(count=BUSY_ITEMS // 10))

    assert _paced(10) > 3 * SHARE


def test_work_is_a_small_share_while_many_events_wait(journal: str) -> None:
    put(journal, batch(count=BUSY_ITEMS))

    assert _paced(4) <= SHARE * 1.1


def test_all_of_it_is_ours_again_when_they_are_stored(journal: str) -> None:
    put(journal, batch(count=BUSY_ITEMS))
    claimer = consumer()
    claimer.acknowledge(claimer.claim(BUSY_ITEMS))

    assert _paced(10) > 3 * SHARE


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The journal's address is one where nobody listens."""
    monkeypatch.setenv("HOPFLEET_JOURNAL_URL", f"redis://127.0.0.1:{free_port()}/0")
    settings.cache_clear()
    claims.client.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
    claims.client.cache_clear()


@pytest.mark.usefixtures("nowhere")
def test_without_a_journal_nothing_waits() -> None:
    assert _paced(4) > 3 * SHARE
