"""How long journal and spool have room, as `queues` and `doctor` say it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admin.filling import Gauge
from admin.growth import Growth
from admin.watch import Watch
from base.clock import steady
from base.settings import settings
from journal import claims
from journal.room import Room
from journal.streams import Kind, items_key, stream
from ops.cli import filling
from ops.cli.filling import Left
from tests.ops.cli.conftest import Run

MIB = 1 << 20


@pytest.fixture
def journal(journal_url: str) -> Iterator[str]:
    """A journal that is empty before and after."""
    keys = [*map(stream, Kind), *map(items_key, Kind)]
    claims.client().delete(*keys)
    yield journal_url
    claims.client().delete(*keys)


@pytest.fixture
def backlog(journal: str) -> Iterator[None]:
    """Something appends and nobody takes it out, while the test runs."""
    ended = threading.Event()

    def append() -> None:
        while not ended.wait(0.01):
            fields: Any = {"b": b"x" * 100_000}
            claims.client().xadd(stream(Kind.CLICKS), fields)

    thread = threading.Thread(target=append)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_queues_say_that_nothing_fills_when_nothing_does(run: Run, journal: str) -> None:
    said = run("queues")

    assert "The journal is" in said.err
    assert "The spool is" in said.err
    assert said.err.count("full and not filling.") == 2


def test_a_journal_that_fills_has_so_many_seconds_left(backlog: None) -> None:
    journal = next(left for left in filling.read() if left.what == "journal")

    assert journal.full_seconds is not None
    assert 1 < journal.full_seconds < 1e6
    assert "has room for" in journal.says()


def test_processes_that_have_watched_for_a_minute_are_asked_first(journal: str) -> None:
    # A minute ago it held 10 MiB less, of 100: it has room for five minutes.
    gauge = Gauge("journal", lambda: Room(50 * MIB, 100 * MIB, "the test"), 0)
    growth: Growth = gauge._growth
    growth.add(steady() - 60, 40 * MIB)
    watch = Watch(settings(), "worker")
    watch.lookout(gauge.lookout)
    watch.numbers(gauge.collect)
    watch.open()

    try:
        journal_left = next(left for left in filling.read() if left.what == "journal")
    finally:
        watch.close()

    assert journal_left.used_bytes == 50 * MIB
    assert journal_left.full_seconds == pytest.approx(300, rel=0.1)
    assert journal_left.soon()
    assert journal_left.says() == (
        "The journal is 50% full and has room for 5 minutes at the present rate."
    )


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(30, "30 seconds"), (600, "10 minutes"), (7_300, "2 hours"), (400_000, "5 days")],
)
def test_the_time_is_said_in_the_unit_that_fits(seconds: float, says: str) -> None:
    left = Left("spool", 1, 4, seconds)

    assert left.says() == f"The spool is 25% full and has room for {says} at the present rate."


def test_a_data_folder_that_is_not_there_yet_has_an_empty_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    monkeypatch.setenv("HOPFLEET_DATA_DIR", str(tmp_path / "not" / "there"))
    settings.cache_clear()

    spool = next(left for left in filling.read() if left.what == "spool")

    assert (spool.used_bytes, spool.full_seconds) == (0, None)
    monkeypatch.undo()
    settings.cache_clear()
