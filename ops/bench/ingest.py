"""`hopfleet bench ingest`: the limit, the usual way and Hopfleet, side by side in one run."""

import os
import platform
import signal
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from base.clock import now
from ops.bench import database, limit, whole
from ops.bench.stage import Stage, stage
from ops.bench.usual import measure as usual_way
from ops.bench.whole import Effort

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What one run does and for how long."""

    effort: Effort = field(default_factory=Effort)
    bare_seconds: float = 5.0
    usual_seconds: float = 8.0
    copy_seconds: float = 10.0
    shapes: tuple[tuple[int, int], ...] = usual_way.SHAPES
    batches: tuple[int, ...] = limit.BATCHES
    skip_usual: bool = False


QUICK = Plan(
    effort=Effort(seconds=3, half_seconds=2, idle_seconds=2, clicks=10),
    bare_seconds=1,
    usual_seconds=2,
    copy_seconds=1.5,
    shapes=((1, 8),),
    batches=(2000,),
)


def run(plan: Plan, repeat: int, say: Say) -> dict[str, Any]:
    """`repeat` whole runs and their medians; ends everything it started, also on Ctrl-C."""
    machine = _machine()
    runs = []
    with _ending_in_order():
        for number in range(repeat):
            if repeat > 1:
                say(f"Run {number + 1} of {repeat}")
            with stage() as ready:
                runs.append(_one(ready, plan, say))
    medians = {
        name: _median([each["summary"][name] for each in runs]) for name in runs[0]["summary"]
    }
    return {"machine": machine, "runs": runs, "median": medians}


def _one(ready: Stage, plan: Plan, say: Say) -> dict[str, Any]:
    say("The bare server, storing nothing …")
    bare = limit.bare_server(ready.targets, ready.folder, ready.environment, plan.bare_seconds)
    usual_best = None
    if not plan.skip_usual:
        say("The usual way, at its best of several shapes …")
        usual_best = usual_way.measure(
            ready.usual_url, ready.targets, ready.folder, ready.environment,
            plan.usual_seconds, plan.shapes,
        )  # fmt: skip
    say("Hopfleet, the whole path …")
    hopfleet = whole.measure(ready, plan.effort)
    say("Raw COPY of the same rows …")
    rows = database.lines(ready.url, limit.MOST_LINES)
    copied = limit.raw_copy(ready.copy_url, rows, plan.copy_seconds, plan.batches)
    parts = {"bare": bare, "usual": usual_best, "hopfleet": hopfleet, "copy": copied}
    return {**parts, "summary": summary(bare, usual_best, hopfleet, copied)}


def summary(
    bare: dict[str, Any],
    usual_best: dict[str, Any] | None,
    hopfleet: dict[str, Any],
    copied: dict[str, Any],
) -> dict[str, float | None]:
    """The figures that are compared and of which medians are taken, by name with unit."""
    load, memory = hopfleet["load"], hopfleet["memory_mib"]
    rows = hopfleet["rows_per_second"]
    usual_rows = usual_best["rows_per_second"] if usual_best else None
    return {
        "bare_requests_per_second": bare["per_second"],
        "copy_rows_per_second": copied["one"]["rows_per_second"],
        "copy_two_rows_per_second": copied["two"]["rows_per_second"],
        "usual_requests_per_second": usual_best["load"]["per_second"] if usual_best else None,
        "usual_rows_per_second": usual_rows,
        "usual_p50_ms": usual_best["load"]["latency_ms"]["p50"] if usual_best else None,
        "usual_void": float(usual_best["void"]) if usual_best else None,
        "requests_per_second": load["per_second"],
        "rows_per_second": rows,
        "rows_to_usual": rows / usual_rows if usual_rows else None,
        "rows_to_copy": rows / copied["one"]["rows_per_second"],
        "rows_to_copy_two": rows / copied["two"]["rows_per_second"],
        "requests_to_bare": load["per_second"] / bare["per_second"],
        "acked": float(hopfleet["acked"]),
        "missing": float(hopfleet["difference"]["missing"]),
        "unexpected": float(hopfleet["difference"]["unexpected"]),
        "repeated": float(hopfleet["difference"]["repeated"]),
        "others_cores": load["others_cores"],
        "drain_seconds": hopfleet["drain_seconds"],
        "p50_ms": load["latency_ms"]["p50"],
        "p99_ms": load["latency_ms"]["p99"],
        "half_rate": hopfleet["half"]["rate_asked"],
        "half_p99_ms": hopfleet["half"]["latency_ms"]["p99"],
        "visible_p50_ms": hopfleet["visible_ms"]["p50"],
        "visible_p99_ms": hopfleet["visible_ms"]["p99"],
        "idle_cores": hopfleet["idle_cores"],
        "ingest_mib": memory["ingest"],
        "worker_mib": max(memory["worker clicks"], memory["worker rest"]),
    }


def _median(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return round(statistics.median(numbers), 4) if numbers else None


def _machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was before."""
    return {
        "at": now().isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average_before": [round(each, 2) for each in os.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: by stopping what was started."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_ENDING = (signal.SIGTERM, signal.SIGHUP)
