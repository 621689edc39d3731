"""Hopfleet on the whole path: saturated, at half of that, and idle."""

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from base.clock import sleep, steady
from base.errors import HopfleetError
from ops.bench import database, traffic
from ops.bench.children import Child, child, hopfleet, wait_until_answering
from ops.bench.driving import ask, observe, warm_up
from ops.bench.driving import drive as drive_load
from ops.bench.stage import Stage
from ops.local.ports import free_port

_DRAIN_SECONDS = 120.0
_VISIBLE_SECONDS = 10.0  # a click that takes longer is an error
_POLL_SECONDS = 0.002

# As `hopfleet up` runs them.
FLEET = {
    "ingest": ("ingest",),
    "worker clicks": ("worker", "clicks", "conversions", "--poll-ms", "200"),
    "worker rest": (
        "worker", "webhooks", "bonuses", "workflows", "content", "products", "maintenance",
        "--poll-ms", "1000",
    ),
    "scheduler": ("scheduler",),
}  # fmt: skip


@dataclass(frozen=True)
class Effort:
    """How long each part takes."""

    seconds: float = 30.0
    events: int = 0  # when set, the saturated part ends by events instead
    half_seconds: float = 10.0
    idle_seconds: float = 10.0
    clicks: int = 100  # single clicks on the idle fleet


@dataclass(frozen=True)
class Fleet:
    """The running processes, by name, and the doors' port."""

    children: Mapping[str, Child]
    port: int

    def check(self) -> None:
        """Raise `ChildFailed` when one of them has ended."""
        for each in self.children.values():
            if not each.running():
                raise each.failed("ended during the run")


@contextmanager
def fleet(stage: Stage) -> Iterator[Fleet]:
    """Doors, workers and scheduler as processes of their own while the block lasts."""
    port = free_port()
    environment = {**stage.environment, "HOPFLEET_PORT": str(port)}
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(child(name, hopfleet(*words), environment, stage.folder))
            for name, words in FLEET.items()
        }
        wait_until_answering(children["ingest"], port, "/readyz")
        yield Fleet(children, port)


def measure(stage: Stage, effort: Effort) -> dict[str, Any]:
    """Everything about Hopfleet in one run; the rows stay in the stage's database."""
    database.settle(stage.url)
    with fleet(stage) as running:
        warm_up(stage.url, running.port, traffic.read(stage.targets)[0])
        pids = {name: each.pid for name, each in running.children.items()} | stage.pids
        full, acked = _saturated(stage, running, pids, effort)
        rate = round(full["load"]["per_second"] / 2)
        half = drive_load(
            running.port, stage.targets, stage.folder, stage.environment,
            seconds=effort.half_seconds, rate=rate, watched=pids,
        )  # fmt: skip
        acked += half.acked
        _drained(stage, acked)
        difference = database.compare(stage.url, acked)
        sleep(1)  # the last nudges run out
        resting = observe(effort.idle_seconds, pids)
        visible = _single_clicks(stage, running.port, effort.clicks)
        memory = {name: use.figures()["largest_mib"] for name, use in observe(0.1, pids).items()}
        running.check()
    return {
        **full,
        "acked": len(acked) // 32,
        "stored_equals_acked": difference.none,
        "difference": asdict(difference),
        "half": half.figures,
        "idle_cores": round(sum(use.cores for use in resting.values()), 4),
        "idle_usage": {name: use.figures() for name, use in resting.items()},
        "visible_ms": visible,
        "memory_mib": memory,
    }


def _saturated(
    stage: Stage, running: Fleet, pids: Mapping[str, int], effort: Effort
) -> tuple[dict[str, Any], bytes]:
    done = drive_load(
        running.port, stage.targets, stage.folder, stage.environment,
        seconds=effort.seconds, requests=effort.events, watched=pids,
    )  # fmt: skip
    rows, drained = _drained(stage, done.acked)
    running.check()
    return {
        "rows": rows,
        "drain_seconds": round(drained, 3),
        "rows_per_second": round(rows / (done.report["seconds"] + drained), 1),
        "load": done.figures,
    }, done.acked


def _drained(stage: Stage, acked: bytes) -> tuple[int, float]:
    """Wait until there are as many rows as acks; (rows, seconds)."""
    return database.wait_for_rows(stage.url, len(acked) // 32, _DRAIN_SECONDS)


def _single_clicks(stage: Stage, port: int, count: int) -> dict[str, float]:
    """From sending one click until its row can be seen, in ms, on an otherwise idle fleet."""
    dice = random.Random(11)
    requests = traffic.read(stage.targets)
    taken = []
    with database.session(stage.url) as connection:
        for number in range(count):
            sleep(dice.uniform(0.05, 0.45))  # so that polls are met at every phase
            taken.append(_until_visible(connection, port, requests[number % len(requests)]))
    taken.sort()
    return {
        "p50": round(taken[len(taken) // 2] * 1000, 1),
        "p99": round(taken[min(int(len(taken) * 0.99), len(taken) - 1)] * 1000, 1),
        "max": round(taken[-1] * 1000, 1),
    }


def _until_visible(connection: Any, port: int, request: traffic.Target) -> float:
    started = steady()
    click_id = ask(port, request)
    while not database.is_visible(connection, click_id):
        if steady() - started > _VISIBLE_SECONDS:
            raise HopfleetError(f"A click was not visible after {_VISIBLE_SECONDS:.0f} s.")
        sleep(_POLL_SECONDS)
    return steady() - started
