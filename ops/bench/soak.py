"""`hopfleet bench soak`: half of the saturating load for half an hour, the stores' upkeep included.

Watched meanwhile: the memory of every process, and what the stores do by themselves, which must
have happened, or the run proves less than it says.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

import psutil
import redis

from base.clock import sleep, steady
from ops.bench import database, traffic
from ops.bench.children import hopfleet
from ops.bench.driving import drive, warm_up
from ops.bench.stage import Stage, stage
from ops.bench.whole import fleet

_EVERY_SECONDS = 5.0
_MIB = 1024**2
_DRAIN_SECONDS = 300.0
_CLOSED_SECONDS = 75.0  # then the audit looks at the last minute, too
_TEN_MINUTES = 600.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How long; without a rate half of what a short saturating run answers."""

    minutes: float = 30.0
    rate: float | None = None
    saturated_seconds: float = 15.0
    settle_minutes: float = 5.0  # memory counts from here on


@dataclass(frozen=True)
class Sample:
    """What one process and its children had for themselves at a moment, in MiB."""

    at: float
    mib: float


Memory = dict[str, list[Sample]]


def measure(effort: Effort, say: Say) -> dict[str, Any]:
    """The whole run on stores of its own; takes some two minutes longer than asked."""
    with stage() as ready, fleet(ready) as running:
        warm_up(ready.url, running.port, traffic.read(ready.targets)[0])
        pids = {name: each.pid for name, each in running.children.items()} | ready.pids
        rate = effort.rate or _half(ready, running.port, effort, say)
        before = _upkeep(ready)
        say(f"{effort.minutes:g} minutes at {rate:,.0f} requests a second …")
        with _memory(pids) as samples:
            done = drive(
                running.port, ready.targets, ready.folder, ready.environment,
                seconds=effort.minutes * 60, rate=rate, watched=pids,
            )  # fmt: skip
        running.check()
        upkeep = {name: count - before[name] for name, count in _upkeep(ready).items()}
        say("Waiting for the last rows, and for the last minute to close …")
        acked = len(done.acked) // 32
        rows, drained = database.wait_for_rows(ready.url, acked, _DRAIN_SECONDS)
        sleep(_CLOSED_SECONDS)
        audit = _audit(ready)
    latency = done.report["latency_ms"]
    return {
        "minutes": effort.minutes,
        "rate": rate,
        "answered_per_second": done.report["per_second"],
        "p50_ms": latency["p50"],
        "p99_ms": latency["p99"],
        "longest_ms": latency["max"],
        "errors": done.report["errors"] + done.report["unanswered"],
        "acked": acked,
        "rows": rows,
        "drain_seconds": round(drained, 2),
        "audit_balanced": audit["ok"] and not audit["surplus"],
        "audit_missing": audit["missing"],
        "audit_surplus": audit["surplus"],
        **upkeep,
        "others_cores": done.figures["others_cores"],
        "memory": {
            name: _trend(found, effort.settle_minutes * 60) for name, found in samples.items()
        },
    }


def _half(ready: Stage, port: int, effort: Effort, say: Say) -> float:
    say("Finding the saturating load …")
    full = drive(
        port, ready.targets, ready.folder, ready.environment, seconds=effort.saturated_seconds
    )
    database.wait_for_rows(ready.url, len(full.acked) // 32, _DRAIN_SECONDS)
    database.empty(ready.url)
    return round(float(full.report["per_second"]) / 2)


@contextmanager
def _memory(pids: Mapping[str, int]) -> Iterator[Memory]:
    """Samples of every process tree, taken every few seconds while the block lasts."""
    found: Memory = {name: [] for name in pids}
    began, stop = steady(), threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_SECONDS):
            for name, pid in pids.items():
                found[name].append(Sample(steady() - began, _own_mib(pid)))

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _own_mib(pid: int) -> float:
    """What a process tree has for itself: pages shared with others are no leak."""
    total = 0
    try:
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            total += int(process.memory_full_info().uss)
    except psutil.Error:
        pass
    return total / _MIB


def _trend(samples: list[Sample], since: float) -> dict[str, float | None]:
    """First and last MiB after settling, and the slope of the line through all, per 10 minutes."""
    late = [one for one in samples if one.at >= since]
    if len(late) < 3:
        return {"first_mib": None, "last_mib": None, "mib_per_10_minutes": None}
    slope = linear_regression([one.at for one in late], [one.mib for one in late]).slope
    return {
        "first_mib": round(late[0].mib, 1),
        "last_mib": round(late[-1].mib, 1),
        "mib_per_10_minutes": round(slope * _TEN_MINUTES, 2),
    }


def _upkeep(ready: Stage) -> dict[str, int]:
    """How often the stores have looked after themselves so far."""
    with redis.Redis.from_url(ready.stores["journal"].url) as journal:
        stats: Any = journal.info("stats")
        forks = int(stats["total_forks"])
    return {"log_rewrites": forks, **database.upkeep(ready.url)}


def _audit(ready: Stage) -> dict[str, Any]:
    done = subprocess.run(
        hopfleet("audit", "--since", "2h", "--json"), env=dict(ready.environment),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found
