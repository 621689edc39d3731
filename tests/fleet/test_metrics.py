"""Numbers of several processes: their sums are what was sent and what is in the tables."""

import json
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ops.local.ports import free_port
from tests.fleet.fleet import Fleet
from tests.fleet.program import ROOT, Program, until
from tests.scraping import Numbers, livez, running, scrape, scrape_all

ACKED = "hopfleet_events_acknowledged_total"
STORED = "hopfleet_rows_stored_total"
ANSWERED = "hopfleet_requests_total"


@pytest.fixture
def second_door(fleet: Fleet) -> Iterator[tuple[Program, int]]:
    """Another ingest process, and its port."""
    port = free_port()
    door = Program("door2", ("ingest", "--port", str(port)), environment(fleet), fleet.folder)
    yield door, port
    door.end()


def environment(fleet: Fleet) -> dict[str, str]:
    return fleet._environment("ingest")


def data(fleet: Fleet) -> Path:
    return fleet.folder / "data"


def click(port: int, tracking_id: str, times: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(times):
        connection.request("GET", f"/r/{tracking_id}")
        assert connection.getresponse().read() is not None
    connection.close()


def begin(program: Program) -> int:
    """Start it, and wait until it says so; returns its pid."""
    since = len(program.said(0))
    program.start()
    until(lambda: program.says("admin.opened", since), 30, f"{program.name} starts")
    return program.pid


def total(found: dict[int, Numbers], name: str, **labels: str) -> float:
    return sum(each.of(name, **labels) for each in found.values())


def test_sums_over_processes_are_what_was_sent_and_stored_also_after_a_restart(
    fleet: Fleet, second_door: tuple[Program, int]
) -> None:
    door, port = second_door
    campaign = fleet.campaign()
    tracking_id, user = campaign["tracking_id"], campaign["user_id"]
    first_pid = begin(door)
    fleet.start("relief")
    try:
        before = scrape_all(running(data(fleet)))
        click(fleet.port, tracking_id, 40)
        click(port, tracking_id, 30)
        last_words = scrape_all(running(data(fleet), "ingest"))[first_pid]
        door.kill()
        assert first_pid not in {each.pid for each in running(data(fleet))}
        begin(door)
        click(port, tracking_id, 10)
        fleet.until_drained()

        # A worker counts after its commit, which the empty journal does not wait for.
        def stored() -> float:
            return total(scrape_all(running(data(fleet), "worker")), STORED)

        sent = 80
        until(lambda: stored() - total(before, STORED) >= sent, 10, "all rows are counted")

        # Each process looks at what waits every so often: its last look may be older than the end.
        # Of clicks: other tests leave other work behind.
        def waiting() -> set[float]:
            found = scrape_all(running(data(fleet)))
            return {numbers.of("hopfleet_work_depth", queue="clicks") for numbers in found.values()}

        until(lambda: waiting() == {0}, 10, "all tell that no click waits")
        after = scrape_all(running(data(fleet))) | {first_pid: last_words}
    finally:
        fleet.kill("relief")

    assert total(after, ACKED) - total(before, ACKED) == sent
    assert total(after, ANSWERED, door="r", status="3xx") - total(
        before, ANSWERED, door="r", status="3xx"
    ) == sent  # fmt: skip
    assert total(after, STORED) - total(before, STORED) == sent == len(fleet.stored(user))
    acks = total(after, "hopfleet_ack_seconds_count") - total(before, "hopfleet_ack_seconds_count")
    assert acks == sent
    living = [numbers for pid, numbers in after.items() if pid != first_pid]
    assert len(living) == len(after) - 1 >= 6
    for numbers in living:
        assert numbers.of("hopfleet_work_depth", queue="clicks") == 0
        assert numbers.of("hopfleet_store_up") == 2


def test_what_waits_is_the_same_in_every_process(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    fleet.kill("worker")
    click(fleet.port, campaign["tracking_id"], 25)

    def told(name: str) -> set[float]:
        found = scrape_all(running(data(fleet)))
        return {each.of(name, queue="clicks") for each in found.values()}

    try:
        until(lambda: told("hopfleet_work_depth") == {25}, 10, "all tell of 25")
        assert min(told("hopfleet_oldest_seconds")) > 0
    finally:
        fleet.start("worker")
    roles = {each.role for each in running(data(fleet))}
    assert roles == {"ingest", "worker", "scheduler"}


def test_the_age_of_the_last_feed_is_told_once_there_was_one(fleet: Fleet) -> None:
    def told() -> set[float]:
        found = scrape_all(running(data(fleet), "scheduler"))
        return {each.of("hopfleet_products_feed_age_seconds") for each in found.values()}

    none = told()
    fleet.sql(
        "INSERT INTO product_syncs (source, asked_by, state, outcome, finished_at)"
        " VALUES ('feed', 'command', 'done', 'applied', now() - interval '1 hour')"
    )
    try:
        until(lambda: min(told()) >= 3600, 10, "the scheduler tells of an hour")
    finally:
        fleet.sql("DELETE FROM product_syncs")
    assert none == {0}


def test_every_process_lives_and_tells_its_chores(fleet: Fleet) -> None:
    found = running(data(fleet))

    assert [livez(each.admin or "")[0] for each in found] == [200] * 4
    scheduler = next(each for each in found if each.role == "scheduler")
    numbers = scrape(scheduler.admin or "")
    assert numbers.of("hopfleet_chore_runs_total", chore="sweep_journal", ended="done") > 0
    assert numbers.of("hopfleet_chore_last_done_timestamp_seconds", chore="sweep_rows") > 1e9


def test_a_process_that_is_stopped_does_not_say_that_it_lives(fleet: Fleet) -> None:
    (door,) = running(data(fleet), "ingest")

    fleet.send("ingest", signal.SIGSTOP)

    try:
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            livez(door.admin or "", 1)
    finally:
        fleet.send("ingest", signal.SIGCONT)
    until(lambda: livez(door.admin or "")[0] == 200, 10, "the loop has moved again")


def test_status_draws_what_runs_and_tells_it_to_scripts(fleet: Fleet) -> None:
    def said(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ops", "status", *words], env=environment(fleet), cwd=ROOT,
            capture_output=True, check=True, text=True,
        )  # fmt: skip
        return done.stdout

    drawn, told = said(), json.loads(said("--json"))

    # Sentences below it, about what other tests left, may be longer.
    picture = [line for line in drawn.splitlines() if set("│─┌└▼") & set(line)]
    assert 79 >= max(map(len, picture)) > 60
    for process in running(data(fleet)):
        assert f"pid {process.pid}" in drawn
        assert (process.admin or "").rpartition(":")[2] in drawn
    for store in fleet.stores.values():
        assert f":{store.port}" in drawn
    assert "events/s on disk" in drawn
    assert "journal is" in drawn
    assert [each["alive"] for each in told["processes"]] == [True] * 4
    assert {each["queue"] for each in told["queues"]} >= {"clicks", "maintenance"}
    assert [each["what"] for each in told["room"]] == ["journal", "spool"]


def test_each_process_of_stock_dramatiq_has_a_port_of_its_own(fleet: Fleet) -> None:
    words = ["workers.fleet", "--processes", "2", "--threads", "1", "--queues", "products"]
    log = (fleet.folder / "stock.log").open("ab")
    stock = subprocess.Popen(
        [sys.executable, "-m", "dramatiq", *words], env=environment(fleet), cwd=ROOT,
        stdout=log, stderr=log,
    )  # fmt: skip

    def ours() -> list[str]:
        found = running(data(fleet), "worker")
        return [each.admin or "" for each in found if each.queues == ["products"]]

    try:
        until(lambda: len(ours()) == 2, 30, "both processes have begun")
        found = ours()
        assert len(set(found)) == 2
        assert [livez(address)[0] for address in found] == [200, 200]
    finally:
        stock.terminate()
        stock.wait(20)
        log.close()
    assert ours() == []
