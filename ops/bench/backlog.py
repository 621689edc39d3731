"""`hopfleet bench workers`: how fast one backlog shrinks under one, two and four workers."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from base.clock import sleep, steady
from base.errors import HopfleetError
from journal import wire
from journal.streams import Kind, items_key
from ops.bench import database, limit
from ops.bench.children import Child, child, hopfleet, wait_until_answering
from ops.bench.driving import drive
from ops.bench.sampling import Usage, sampled
from ops.bench.stage import Stage, stage
from ops.local.ports import free_port

_WORKER = ("worker", "clicks", "conversions", "--poll-ms", "200")
_START_SECONDS = 60.0
_DRAIN_SECONDS = 600.0
_POLL_SECONDS = 0.05
_SLICE_SECONDS = 0.04  # of which a slowed worker runs its share

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How many clicks wait, for which numbers of workers, and how slow the slowed ones are."""

    clicks: int = 200_000
    workers: tuple[int, ...] = (1, 2, 4)
    shares: tuple[float, ...] = (1.0, 0.2)  # of one core for each worker: free, and slowed
    copy_seconds: float = 10.0
    batches: tuple[int, ...] = limit.BATCHES


QUICK = Effort(clicks=5_000, workers=(1, 2), shares=(0.2,), copy_seconds=1.0, batches=(2_000,))


def measure(effort: Effort, say: Say) -> dict[str, Any]:
    """Rows a second and cores for each number of workers, at full speed and slowed."""
    with stage() as ready, _doors(ready) as port:
        drains = []
        for share in effort.shares:
            for count in effort.workers:
                speed = "at full speed" if share == 1 else f"at {share:.0%} of a core each"
                say(f"{count} workers {speed} …")
                drains.append(_drain(ready, port, count, share, effort.clicks))
                lines = database.lines(ready.url, limit.MOST_LINES)
                database.empty(ready.url)
        say("Raw COPY of the same rows …")
        copied = limit.raw_copy(ready.copy_url, lines, effort.copy_seconds, effort.batches)
    return {
        "cores": os.cpu_count(),
        "copy_rows_per_second": copied["one"]["rows_per_second"],
        "copy_two_rows_per_second": copied["two"]["rows_per_second"],
        "drains": drains,
    }


@contextmanager
def _doors(ready: Stage) -> Iterator[int]:
    """Doors and a scheduler, and no worker; their port."""
    port = free_port()
    environment = {**ready.environment, "HOPFLEET_PORT": str(port)}
    with ExitStack() as stack:
        for name in ("scheduler", "ingest"):
            last = stack.enter_context(child(name, hopfleet(name), environment, ready.folder))
        wait_until_answering(last, port, "/readyz")
        yield port


def _drain(ready: Stage, port: int, count: int, share: float, clicks: int) -> dict[str, Any]:
    """One backlog, drained by so many workers that were ready before it began."""
    database.settle(ready.url)
    with _workers(ready, count, f"{count} at {share:.0%}") as workers:
        with _held(workers):
            load = drive(port, ready.targets, ready.folder, ready.environment,
                         seconds=0, requests=clicks)  # fmt: skip
        pids = {each.name: each.pid for each in workers}
        with ExitStack() as stack:
            for each in workers if share < 1 else ():
                stack.enter_context(_slowed(each, share))
            usage = stack.enter_context(sampled(pids | ready.pids))
            seconds = asyncio.run(_until_empty(ready.stores["journal"].url, workers))
    difference = database.compare(ready.url, load.acked)
    if not difference.none:
        raise HopfleetError(f"Stored is not what was acked: {difference}.")
    rows = len(load.acked) // 32
    return {
        "workers": count,
        "share": share,
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds, 1),
        "worker_cores": _cores(usage, pids),
        "postgres_cores": _cores(usage, ["postgres"]),
        "journal_cores": _cores(usage, ["journal"]),
    }


def _cores(usage: dict[str, Usage], names: Any) -> float:
    return round(sum(usage[name].cores for name in names), 2)


@contextmanager
def _workers(ready: Stage, count: int, title: str) -> Iterator[list[Child]]:
    """Workers that have started and found nothing to do."""
    with ExitStack() as stack:
        found = []
        for number in range(count):
            name = f"worker {number + 1} of {title}"
            found.append(
                stack.enter_context(
                    child(name, hopfleet(*_WORKER), ready.environment, ready.folder)
                )
            )
        end = steady() + _START_SECONDS
        for each in found:
            while "worker.started" not in each.said():
                if steady() > end or not each.running():
                    raise each.failed("did not start")
                sleep(_POLL_SECONDS)
        yield found


@contextmanager
def _held(workers: Sequence[Child]) -> Iterator[None]:
    """The workers stand still, so that a backlog grows."""
    for each in workers:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in workers:
            os.kill(each.pid, signal.SIGCONT)


@contextmanager
def _slowed(worker: Child, share: float) -> Iterator[None]:
    """Let the worker run only a share of the time, as on a slower machine of its own."""
    done = threading.Event()

    def slow() -> None:
        while worker.running() and not done.wait(_SLICE_SECONDS * share):
            os.kill(worker.pid, signal.SIGSTOP)
            sleep(_SLICE_SECONDS * (1 - share))
            os.kill(worker.pid, signal.SIGCONT)

    thread = threading.Thread(target=slow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def _until_empty(url: str, workers: Sequence[Child]) -> float:
    """Seconds until no click waits in the journal or is being stored."""
    began = steady()
    journal = await wire.connect(url, 5)
    try:
        while int((await journal.call([("GET", items_key(Kind.CLICKS))], 5))[0] or 0):
            for each in workers:
                if not each.running():
                    raise each.failed("ended during the run")
            if steady() - began > _DRAIN_SECONDS:
                raise HopfleetError(f"A backlog lasted longer than {_DRAIN_SECONDS:.0f} s.")
            await asyncio.sleep(_POLL_SECONDS)
        return steady() - began
    finally:
        journal.close()


def table(result: dict[str, Any]) -> list[str]:
    """What a person reads: a line for each drain, then what bounds them."""
    lines = [f"{'workers':>7}  {'cores each':>10}  {'rows/s':>9}  {'÷ one':>5}  {'÷ COPY':>6}"
             f"  {'workers use':>11}  {'PostgreSQL':>10}"]  # fmt: skip
    best = max(result["copy_rows_per_second"], result["copy_two_rows_per_second"])
    one: dict[float, float] = {}
    for each in result["drains"]:
        first = one.setdefault(each["share"], each["rows_per_second"])
        share = "free" if each["share"] == 1 else f"{each['share']:.2f}"
        lines.append(
            f"{each['workers']:>7}  {share:>10}  {each['rows_per_second']:>9,.0f}"
            f"  {each['rows_per_second'] / first:>5.2f}  {each['rows_per_second'] / best:>6.2f}"
            f"  {each['worker_cores']:>11.2f}  {each['postgres_cores']:>10.2f}"
        )
    return [
        *lines,
        f"The store's limit: raw COPY of the same rows, one connection"
        f" {result['copy_rows_per_second']:,.0f} rows/s, two"
        f" {result['copy_two_rows_per_second']:,.0f} rows/s, on {result['cores']} cores.",
        "A worker drains with one thread, with two while a backlog is there; once workers and"
        " PostgreSQL together use all cores, another worker on this machine adds nothing.",
    ]
