"""What is acked is on disk: the system calls say so, for every single answer."""

import re
from pathlib import Path

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.trace import Call, calls, traced
from tests.fleet.visitors import Visitors

REQUESTS = 1_000
_ANSWERED = re.compile(r"X-Click-Id: ([0-9a-f]{32})")
_KEPT = re.compile(r'\\"id\\":\\"([0-9a-f]{32})\\"')
_SYNCS = ("fdatasync", "fsync")


@pytest.mark.parametrize("where", ["journal", "spool"])
def test_every_ack_follows_the_fdatasync_of_what_it_promises(
    fleet: Fleet, tmp_path: Path, where: str
) -> None:
    tracking_id = fleet.campaign()["tracking_id"]
    fleet.click(tracking_id)
    request = f"GET /r/{tracking_id}?sub1=%d HTTP/1.1\r\nHost: t\r\n\r\n"
    if where == "spool":
        fleet.kill("journal")
        pids = [fleet.pid("ingest")]
    else:
        pids = [fleet.pid("ingest"), fleet.pid("journal")]

    with (
        traced(tmp_path, *pids) as trace,
        Visitors(fleet.port, lambda number: (request % number).encode(), connections=8) as visitors,
    ):
        until(lambda: len(visitors.acked) >= REQUESTS, 60, "so many acks")
        visitors.stop()
    if where == "spool":
        fleet.start("journal")
        fleet.until_drained()

    durable = _durable(calls(trace), ".aof" if where == "journal" else ".seg")
    answered = _answered(calls(trace))
    assert len(visitors.acked) >= REQUESTS
    assert visitors.acked.keys() <= answered.keys()
    assert visitors.acked.keys() <= durable.keys()
    assert [one for one in visitors.acked if durable[one] >= answered[one]] == []


def _durable(found: list[Call], suffix: str) -> dict[str, int]:
    """For each click id in a file of that kind: where in the trace its sync had ended."""
    on_disk: dict[str, int] = {}
    written: dict[str, list[tuple[int, str]]] = {}  # by file: not yet synced
    for call in found:
        if suffix not in call.file or call.ended is None:
            continue
        if call.name in _SYNCS and "= 0" in call.text:
            waiting = written.get(call.file, [])
            for ended, click_id in waiting:
                if ended <= call.begun:
                    on_disk.setdefault(click_id, call.ended)
        elif call.name not in _SYNCS:
            ids = _KEPT.findall(call.text)
            written.setdefault(call.file, []).extend((call.ended, one) for one in ids)
    return on_disk


def _answered(found: list[Call]) -> dict[str, int]:
    """For each click id in an answer to a visitor: where in the trace its first byte began."""
    begun: dict[str, int] = {}
    for call in found:
        for click_id in _ANSWERED.findall(call.text):
            begun.setdefault(click_id, call.begun)
    return begun
