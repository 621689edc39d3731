"""`hopfleet bench outage`: redirects of known links while stores stand still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from base.clock import sleep
from ops.bench import database, traffic
from ops.bench.driving import warm_up
from ops.bench.side import one
from ops.bench.stage import Stage, stage
from ops.bench.whole import fleet

RATE = 500.0
CONNECTIONS = 32
SETTLE_SECONDS = 1.0  # from the failure until the promise holds
_DRAIN_SECONDS = 60.0
STORES = (("journal",), ("postgres",), ("journal", "postgres"), ("broker",),
          ("journal", "postgres", "broker"))  # fmt: skip


def measure(seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """p99 and the worst answer in ms, quiet and with each of STORES stopped (SIGSTOP)."""
    figures: dict[str, Any] = {}
    with stage() as ready, fleet(ready) as running:
        links = traffic.visits(database.links_by_account(ready.url)[0], pixel_share=0)
        warm_up(ready.url, running.port, links[0])

        def load(name: str, last: float) -> dict[str, Any]:
            return one(name, running.port, links, ready.folder, ready.environment,
                       seconds=last, rate=RATE, connections=CONNECTIONS)  # fmt: skip

        acked = load("warm", 2)["acked_ids"]
        acked += _one(figures, "quiet", load, seconds)
        for names in STORES:
            say(f"Without {' and '.join(names)} …")
            with _stopped(ready, names):
                acked += load("failing", SETTLE_SECONDS)["acked_ids"]
                acked += _one(figures, "without " + " and ".join(names), load, seconds)
            sleep(SETTLE_SECONDS)
        database.wait_for_rows(ready.url, len(acked) // 32, _DRAIN_SECONDS)
        figures["acked"] = len(acked) // 32
        figures["acked_not_stored"] = database.compare(ready.url, acked).missing
        running.check()
    return figures


def _one(
    figures: dict[str, Any], name: str, load: Callable[[str, float], dict[str, Any]], last: float
) -> bytes:
    report = load("redirects", last)
    figures[f"{name}: p99_ms"] = report["latency_ms"]["p99"]
    figures[f"{name}: max_ms"] = report["latency_ms"]["max"]
    figures[f"{name}: not_acked"] = report["requests"] - report["acked"] + report["unanswered"]
    return bytes(report["acked_ids"])


@contextmanager
def _stopped(ready: Stage, names: tuple[str, ...]) -> Iterator[None]:
    """The stores stand still while the block lasts, with all their sockets open."""
    stopped = [each for name in names for each in _family(ready.pids[name])]
    for each in stopped:
        each.suspend()
    try:
        yield
    finally:
        for each in stopped:
            with suppress(psutil.NoSuchProcess):
                each.resume()


def _family(pid: int) -> list[psutil.Process]:
    """A server and its children: PostgreSQL's sessions are processes."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
