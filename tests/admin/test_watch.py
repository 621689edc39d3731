"""A process's admin port: what it answers, where it listens, and what cannot take it down."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.core import Metric

from admin import processes
from admin.growth import Growth, seconds_left
from admin.lookout import Lookout
from admin.numbers import Histogram, gauge, histogram
from admin.pulse import silent
from admin.watch import Watch
from base.clock import steady
from base.errors import StoreAway
from base.settings import Settings
from ops.local.ports import free_port
from tests.scraping import livez, scrape

Open = Callable[..., Watch]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens watches of this process; they are closed when the test ends."""
    made: list[Watch] = []

    def make(port: int = 0, *, prepare: Callable[[Watch], None] = lambda _: None) -> Watch:
        watch = Watch(Settings(data_dir=tmp_path, admin_port=port), f"part{len(made)}")
        prepare(watch)
        watch.open()
        made.append(watch)
        return watch

    yield make
    for watch in made:
        watch.close()


def addresses(folder: Path) -> dict[str, str]:
    return {each.role: each.admin or "" for each in processes.running(folder)}


def test_a_part_that_has_stopped_is_503_and_named(opened: Open, tmp_path: Path) -> None:
    dead: list[str] = []
    opened(prepare=lambda watch: watch.part("loop", lambda: dead[0] if dead else None))
    address = addresses(tmp_path)["part0"]
    assert livez(address) == (200, {"status": "alive", "parts": {}})

    dead.append("it has not moved for 9 s")

    told = {"status": "not alive", "parts": {"loop": "it has not moved for 9 s"}}
    assert livez(address) == (503, told)


def test_processes_of_a_host_take_a_port_each_from_the_first_free_one(
    opened: Open, tmp_path: Path
) -> None:
    port = free_port()

    opened(port)
    opened(port)

    first, second = (int(each.rpartition(":")[2]) for each in addresses(tmp_path).values())
    assert first == port
    assert port < second < port + 500


def test_numbers_that_cannot_be_told_leave_the_others_alone(opened: Open, tmp_path: Path) -> None:
    def broken() -> Iterator[Metric]:
        yield gauge("hopfleet_before_it_broke", "Half a collector.", 1)
        raise RuntimeError("the test says so")

    def prepare(watch: Watch) -> None:
        watch.numbers(broken)
        watch.numbers(lambda: [gauge("hopfleet_sound", "A number.", 7)])

    opened(prepare=prepare)

    found = scrape(addresses(tmp_path)["part0"])

    assert found.of("hopfleet_sound") == 7
    assert found.of("hopfleet_before_it_broke") == 0
    assert found.of("hopfleet_build_info", process="part0") == 1
    assert found.of("process_resident_memory_bytes") > 1e6


def test_a_process_that_shall_not_listen_is_listed_all_the_same(tmp_path: Path) -> None:
    watch = Watch(Settings(data_dir=tmp_path, admin_enabled=False), "worker")

    watch.open(queues=["clicks"])

    assert [(each.admin, each.queues) for each in processes.running(tmp_path)] == [
        (None, ["clicks"])
    ]
    watch.close()


def test_who_ends_is_listed_no_more(opened: Open, tmp_path: Path) -> None:
    watch = opened()
    assert addresses(tmp_path)

    watch.close()

    assert addresses(tmp_path) == {}


def test_a_process_that_was_killed_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    mine = processes.this("worker", admin=None, door=None, queues=["clicks"])
    file = processes.write(tmp_path, mine)
    assert processes.running(tmp_path) == [mine]
    # Somebody else has the number now: it began at another time.
    file.write_text(file.read_text().replace(str(mine.started), str(mine.started - 100)))

    assert processes.running(tmp_path) == []

    other = processes.this("scheduler", admin=None, door=None, queues=[])
    processes.write(tmp_path, other)
    assert not file.exists()


def test_a_store_that_hangs_delays_no_answer() -> None:
    release = threading.Event()
    lookout: Lookout[bool] = Lookout("hanging", lambda: release.wait(30), (StoreAway,))
    lookout.start()
    began = steady()

    seen = lookout.see()

    assert seen is None
    assert steady() - began < 10
    release.set()
    lookout.stop()


def test_a_histogram_counts_what_was_at_most_each_bound(opened: Open, tmp_path: Path) -> None:
    values = Histogram((1, 10))
    for value, times in ((1, 2), (5, 1), (100, 3)):
        values.observe(value, times)
    opened(prepare=lambda watch: watch.numbers(lambda: [histogram("h_x", "A histogram.", values)]))

    found = scrape(addresses(tmp_path)["part0"])

    assert [found.of("h_x_bucket", le=le) for le in ("1.0", "10.0", "+Inf")] == [2, 3, 6]
    assert (found.of("h_x_count"), found.of("h_x_sum")) == (6, 307)


def test_what_does_not_move_is_silent() -> None:
    assert silent(steady(), 5) is None
    assert silent(steady() - 6, 5) == "it has not moved for 6 s"


def test_the_time_left_follows_from_the_growth_of_the_last_minute() -> None:
    growth = Growth(noise_bytes=0)
    for second in range(0, 200, 5):
        # It stood still for long, and has grown by 1,000 bytes a second since.
        growth.add(second, 1_000 + 1_000 * max(0, second - 120))
    rate = growth.per_second()

    assert rate == 1_000
    assert seconds_left(76_000, 136_000, rate) == 60
    assert seconds_left(136_000, 136_000, rate) == 0


def test_what_does_not_grow_never_fills() -> None:
    growth = Growth(noise_bytes=1_000)
    assert growth.per_second() is None
    growth.add(0, 5_000)
    growth.add(10, 5_900)

    assert growth.per_second() == 0
    assert seconds_left(5_900, 10_000, 0) == float("inf")
