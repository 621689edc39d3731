"""What a door shows of itself: its numbers, and that its loop goes round."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.scraping import Numbers, livez, running, scrape


def address(folder: Path) -> str:
    (found,) = running(folder, "ingest")
    return found.admin or ""


def numbers(door: Door, folder: Path) -> Numbers:
    """The door's numbers, fetched while its loop runs."""
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(scrape, address(folder))
        door.until(asked.done)
        return asked.result()


def test_answers_and_drops_are_counted_by_door_and_reason(
    door: Door, connect: Connect, tmp_path: Path
) -> None:
    tracking_id = make.campaign(connect())["tracking_id"]
    for target in (f"/r/{tracking_id}", f"/r/{tracking_id}", "/r/nobody", "/nowhere", "/healthz"):
        door.get(target)
    door.send(b"nonsense\r\n\r\n")
    door.post("/v1/events", b"{}")

    found = numbers(door, tmp_path)

    def answered(name: str, status: str) -> float:
        return found.of("hopfleet_requests_total", door=name, status=status)

    assert answered("r", "3xx") == 2
    assert answered("r", "4xx") == 1
    assert answered("none", "4xx") == 2
    assert answered("v1/events", "4xx") == 1
    assert found.of("hopfleet_door_outcomes_total", outcome="click") == 2
    assert found.of("hopfleet_door_outcomes_total", outcome="unknown_link") == 1
    assert found.of("hopfleet_door_outcomes_total", outcome="key_refused") == 1
    assert found.of("hopfleet_events_acknowledged_total", store="journal") == 2
    assert found.of("hopfleet_ack_seconds_bucket", le="+Inf") == 2
    assert 0 < found.of("hopfleet_ack_seconds_sum") < 10
    assert found.of("hopfleet_known_hits_total", noun="link") == 1
    assert found.of("hopfleet_known_entries", noun="link") == 1
    assert found.of("hopfleet_journal_up") == found.of("hopfleet_database_up") == 1


def test_without_a_journal_the_spool_is_where_events_are_and_it_fills(
    open_door: OpenDoor, connect: Connect, tmp_path: Path
) -> None:
    door = open_door(journal_url="redis://127.0.0.1:1/0")
    tracking_id = make.campaign(connect())["tracking_id"]
    for _ in range(3):
        assert door.get(f"/r/{tracking_id}").headers["x-click-id"]

    found = numbers(door, tmp_path)

    assert found.of("hopfleet_events_acknowledged_total", store="spool") == 3
    assert found.of("hopfleet_journal_up") == 0
    assert 0 < found.of("hopfleet_spool_bytes") < found.of("hopfleet_spool_bound_bytes")


def test_a_loop_that_stands_still_is_503(door: Door, tmp_path: Path) -> None:
    where = address(tmp_path)
    assert livez(where)[0] == 200

    # Nobody runs the door's loop meanwhile.
    until(lambda: livez(where)[0] == 503, 15, "the loop is taken for dead")

    assert "loop" in livez(where)[1]["parts"]
