"""`hopfleet bench products`: a catalogue's syncs, searches of it, and clicks beside a sync."""

import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from base.clock import sleep, steady
from base.errors import HopfleetError
from db import product_search
from ops.bench import catalogue, database, traffic
from ops.bench import product_rows as rows
from ops.bench.children import child, hopfleet
from ops.bench.driving import drive, warm_up
from ops.bench.sampling import busy_seconds
from ops.bench.stage import Stage, stage
from ops.bench.whole import fleet

_LONGEST_SECONDS = 3600.0
_PAGE = 20
_DRAIN_SECONDS = 300.0
_MIB = 1024

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much of each; 0 leaves a part out."""

    products: int = 1_000_000
    changed: float = 1.0  # percent
    questions: int = 1_000  # of each kind, distinct
    busy_percent: float = 10.0  # what changes in the syncs beside searches and doors
    ingest_seconds: float = 20.0
    ingest_rounds: int = 4  # in turns beside its reading and its writing


QUICK = Effort(products=1_000, questions=2, ingest_seconds=1.0, ingest_rounds=1)


class Ran(NamedTuple):
    """One sync: what the command printed, the most memory it had, CPU seconds of all else."""

    report: dict[str, Any]
    peak_mib: float
    wall: float


def measure(effort: Effort, say: Say) -> dict[str, Any]:
    """Everything in one run on stores of its own."""
    with stage() as ready:
        feed = ready.folder / "feed.zip"
        say(f"A feed of {effort.products:,} products …")
        _run(ready, "seed", "feed", "--products", str(effort.products), "--file", str(feed))
        found = _syncs(ready, feed, effort, say)
        other = _changed_feed(ready, effort, effort.busy_percent)
        if effort.questions:
            found |= _searches(ready, (other, feed), effort, say)
        if effort.ingest_rounds:
            found |= _doors(ready, (other, feed), effort, say)
    return {"cores": os.cpu_count(), **found}


def _changed_feed(ready: Stage, effort: Effort, percent: float) -> Path:
    file = ready.folder / f"changed-{percent:g}.zip"
    _run(ready, "seed", "feed", "--products", str(effort.products), "--file", str(file),
         "--changed", str(percent))  # fmt: skip
    return file


def _run(ready: Stage, *words: str) -> None:
    with child("seed", hopfleet(*words), ready.environment, ready.folder) as made:
        if made.wait(_LONGEST_SECONDS) != 0:
            raise made.failed("failed")


def _sync(ready: Stage, feed: Path, *words: str) -> Ran:
    """The command, as an operator would run it, to its end."""
    database.settle(ready.url)
    name = f"sync {len(list(ready.folder.glob('sync-*.log')))}"
    argv = hopfleet("products", "sync", "--file", str(feed), "--json", *words)
    peak, started = 0.0, steady()
    with child(name, argv, ready.environment, ready.folder) as running:
        while running.running():
            peak = max(peak, _peak(running.pid))
            sleep(0.1)
        if running.wait(1) != 0:
            raise running.failed("failed")
        wall = steady() - started
        return Ran(orjson.loads(running.said().splitlines()[-1]), peak, wall)


def _peak(pid: int) -> float:
    """The largest resident set a process has had, MiB; 0 when nobody says."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    told = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return float(told[0]) / _MIB if told else 0.0


def _syncs(ready: Stage, feed: Path, effort: Effort, say: Say) -> dict[str, Any]:
    """From nothing, once more the same, and a little changed; beside raw COPY of the rows."""
    say("The first sync …")
    busy, started = busy_seconds(), steady()
    first = _sync(ready, feed)
    cores = (busy_seconds() - busy) / (steady() - started)
    _expect(first, inserted=effort.products)
    rows.analyze(ready.url)
    say("Raw COPY of the same rows …")
    copied = {}
    for table in rows.TABLES:
        file = ready.folder / f"{table}.rows"
        rows.unload(ready.url, table, file)
        copied[table] = rows.load(ready.url, table, file)
        file.unlink()
    say("The same feed again …")
    before = rows.written(ready.url)
    again = _sync(ready, feed, "--force")
    _expect(again, unchanged=effort.products)
    rewritten = rows.written(ready.url).since(before)
    say(f"{effort.changed:g} % changed …")
    changed_feed = _changed_feed(ready, effort, effort.changed)
    before = rows.written(ready.url)
    changed = _sync(ready, changed_feed, "--force")
    changed_feed.unlink()
    rewritten_changed = rows.written(ready.url).since(before)
    seconds = first.report["seconds"]
    return {
        "products": effort.products,
        "listings": first.report["listings"],
        "first_sync_seconds": round(seconds, 1),
        "first_sync_per_second": round(effort.products / seconds, 1),
        "first_sync_cores_of_the_machine": round(cores, 2),
        "copy_products_seconds": round(copied["products"], 1),
        "copy_all_seconds": round(sum(copied.values()), 1),
        "first_sync_to_copy_of_products": round(copied["products"] / seconds, 3),
        "first_sync_to_copy_of_all": round(sum(copied.values()) / seconds, 3),
        "peak_mib": round(max(first.peak_mib, again.peak_mib, changed.peak_mib), 1),
        "same_seconds": round(again.report["seconds"], 1),
        "same_times_faster": round(seconds / again.report["seconds"], 2),
        "same_rows_rewritten": sum(rewritten[:3]),
        "changed_percent": effort.changed,
        "changed_seconds": round(changed.report["seconds"], 1),
        "changed_products": changed.report["updated"],
        "changed_rows_of_products": rewritten_changed.products_updated,
    }


def _expect(ran: Ran, **counts: int) -> None:
    for name, count in counts.items():
        if ran.report[name] != count:
            raise HopfleetError(f"A sync said {name} {ran.report[name]}, not {count}.")


@contextmanager
def _syncing(ready: Stage, feeds: tuple[Path, Path]) -> Iterator[Callable[[], int]]:
    """Syncs of two feeds in turns, one after the other, while the block lasts; how many began."""
    begun = 0
    running: subprocess.Popen[bytes] | None = None

    def tend() -> int:
        nonlocal begun, running
        if running is None or running.poll() is not None:
            if running is not None and running.returncode != 0:
                raise HopfleetError(f"A sync beside ended with {running.returncode}.")
            argv = hopfleet("products", "sync", "--file", str(feeds[begun % 2]), "--force")
            running = subprocess.Popen(
                argv, env=dict(ready.environment), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            begun += 1
        return begun

    tend()
    try:
        yield tend
    finally:
        if running is not None and running.poll() is None:
            running.terminate()
            running.wait(60)


def _searches(ready: Stage, feeds: tuple[Path, Path], effort: Effort, say: Say) -> dict[str, Any]:
    """Every kind of question, quiet and beside syncs; milliseconds."""
    rows.analyze(ready.url)
    words = rows.words(ready.url, max(2 * effort.questions, 200))
    _asked(ready, words, min(effort.questions, 20), 3, lambda: 0)  # pages are read once
    say(f"{effort.questions:,} of each of {len(catalogue.KINDS)} kinds of searches …")
    quiet = _asked(ready, words, effort.questions, 1, lambda: 0)
    say("… and beside syncs")
    with _syncing(ready, feeds) as tend:
        beside = _asked(ready, words, effort.questions, 2, tend)
        begun = tend()
    table = {
        kind: {"quiet": _spread(quiet[kind]), "beside": _spread(beside[kind])} for kind in quiet
    }
    return {
        "questions_of_each_kind": effort.questions,
        "syncs_beside_searches": begun,
        "search_worst_p99_quiet_ms": max(each["quiet"]["p99"] for each in table.values()),
        "search_worst_p99_beside_ms": max(each["beside"]["p99"] for each in table.values()),
        "search_p99_quiet_ms": _spread([*chain(*quiet.values())])["p99"],
        "search_p99_beside_ms": _spread([*chain(*beside.values())])["p99"],
        "searches": table,
    }


def _asked(
    ready: Stage, words: rows.Words, each: int, seed: int, tend: Callable[[], int]
) -> dict[str, list[float]]:
    """How long every question took, in ms, by kind; `tend` is called now and then."""
    took: dict[str, list[float]] = {kind: [] for kind in catalogue.KINDS}
    with rows.asking(ready.url) as session:
        for kind, question in catalogue.questions(words, each, seed):
            started = steady()
            product_search.find(session, question.query, _PAGE, question.after)
            took[kind].append((steady() - started) * 1000)
            if len(took[kind]) % 10 == 0:
                tend()
    return took


def _spread(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    named = {name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] for name, share in
             at.items()}  # fmt: skip
    return {name: round(value, 1) for name, value in (*named.items(), ("max", ordered[-1]))}


def _doors(ready: Stage, feeds: tuple[Path, Path], effort: Effort, say: Say) -> dict[str, Any]:
    """Rows of clicks a second, saturated, alternately without and beside syncs."""
    say("Saturated doors, without and beside syncs …")
    alone: list[float] = []
    beside: dict[str, list[float]] = {"reading": [], "writing": []}
    with fleet(ready) as running:
        warm_up(ready.url, running.port, traffic.read(ready.targets)[0])
        for number in range(effort.ingest_rounds):
            stage_name = ("reading", "writing")[number % 2]
            alone.append(_rate(ready, running.port, effort.ingest_seconds))
            with _syncing(ready, feeds) as tend:
                _until_syncing(ready, tend, has_read=stage_name == "writing")
                beside[stage_name].append(_rate(ready, running.port, effort.ingest_seconds))
        running.check()
    usual = statistics.median(alone)
    found = {"clicks_per_second": round(usual, 1)}
    for name, rates in beside.items():
        if rates:
            rate = statistics.median(rates)
            found[f"clicks_per_second_beside_{name}"] = round(rate, 1)
            found[f"clicks_beside_{name}_to_alone"] = round(rate / usual, 3)
    return found


def _until_syncing(ready: Stage, tend: Callable[[], int], *, has_read: bool) -> None:
    """Wait until a sync reads its feed, or writes what it has read."""
    end = steady() + _DRAIN_SECONDS
    while not rows.is_syncing(ready.url, has_read=has_read) and steady() < end:
        tend()
        sleep(0.02)


def _rate(ready: Stage, port: int, seconds: float) -> float:
    """Rows a second from the first request to the last row, through the whole path."""
    database.empty(ready.url)
    database.settle(ready.url)
    done = drive(port, ready.targets, ready.folder, ready.environment, seconds=seconds)
    wanted = len(done.acked) // 32
    count, drained = database.wait_for_rows(ready.url, wanted, _DRAIN_SECONDS)
    if count != wanted:
        raise HopfleetError(f"{wanted} clicks were accepted, {count} are rows.")
    return count / (float(done.report["seconds"]) + drained)


def table(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as lines, searches as a table of their own."""
    searches = figures.get("searches", {})
    for name, value in figures.items():
        if name != "searches":
            shown = f"{value:,.2f}" if isinstance(value, float) else value
            yield f"{name.replace('_', ' '):36} {shown}"
    if searches:
        yield f"{'searches, ms':36} {'quiet p50':>10} {'p99':>7} {'max':>7}" + (
            f" {'beside p50':>12} {'p99':>7} {'max':>7}"
        )
    for kind, each in searches.items():
        quiet, beside = each["quiet"], each["beside"]
        yield f"{kind:36} {quiet['p50']:>10} {quiet['p99']:>7} {quiet['max']:>7}" + (
            f" {beside['p50']:>12} {beside['p99']:>7} {beside['max']:>7}"
        )
