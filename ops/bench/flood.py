"""`hopfleet bench flood`: made-up tracking ids by the thousand, and the visitors beside them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.clock import sleep, steady
from ops.bench import database, traffic
from ops.bench.driving import warm_up
from ops.bench.side import one, side
from ops.bench.stage import stage
from ops.bench.traffic import Target
from ops.bench.whole import fleet

GOOD_RATE = 500.0
_FLOOD_CONNECTIONS = 64
_MADE_UP = 60_000  # more than a door remembers as absent
_STATISTICS_SECONDS = 1.5  # PostgreSQL's own, until they are told


@dataclass(frozen=True)
class Flood:
    """How many made-up ids a second, and for how long each part lasts."""

    rate: float = 20_000
    seconds: float = 10.0


def made_up(count: int = _MADE_UP, seed: int = 3) -> list[Target]:
    """Requests for tracking ids that nobody has, each another one."""
    dice = random.Random(seed)
    return [Target(f"/r/{dice.getrandbits(60):015x}") for _ in range(count)]


def measure(effort: Flood, say: Callable[[str], None]) -> dict[str, Any]:
    """Good redirects quiet and beside the flood, and what PostgreSQL was asked meanwhile."""
    with stage() as ready, fleet(ready) as running:
        good = traffic.read(ready.targets)
        warm_up(ready.url, running.port, good[0])
        folder, environment = ready.folder, ready.environment

        def good_load(name: str, seconds: float = effort.seconds) -> dict[str, Any]:
            return one(
                name, running.port, good, folder, environment, seconds=seconds, rate=GOOD_RATE
            )

        good_load("warm", 2)
        say("Good redirects alone …")
        before = _asked(ready.url)
        quiet = good_load("good")
        quiet_asked = _asked(ready.url) - before
        say(f"Beside {effort.rate:,.0f} made-up ids a second …")
        with _flood(running.port, effort, folder, environment) as flooding:
            sleep(1)  # it has begun
            before, began = _asked(ready.url), steady()
            flooded = good_load("good")
            took = steady() - began
            flood = flooding.report()
        asked = _asked(ready.url) - before
        running.check()
    return {
        "good_rate": GOOD_RATE,
        "quiet_p50_ms": quiet["latency_ms"]["p50"],
        "quiet_p99_ms": quiet["latency_ms"]["p99"],
        "flooded_p50_ms": flooded["latency_ms"]["p50"],
        "flooded_p99_ms": flooded["latency_ms"]["p99"],
        "flooded_to_quiet": flooded["latency_ms"]["p99"] / quiet["latency_ms"]["p99"],
        "good_statuses": flooded["statuses"],
        "good_unanswered": flooded["unanswered"] + flooded["errors"],
        "flood_per_second": flood["per_second"],
        "flood_statuses": flood["statuses"],
        "flood_p99_ms": flood["latency_ms"]["p99"],
        "transactions_a_second_quiet": quiet_asked / effort.seconds,
        "transactions_a_second": asked / took,
    }


def _flood(port: int, effort: Flood, folder: Path, environment: Any) -> Any:
    return side(
        "flood", port, made_up(), folder, environment,
        seconds=effort.seconds + 2, rate=effort.rate, connections=_FLOOD_CONNECTIONS,
    )  # fmt: skip


def _asked(url: str) -> int:
    """Transactions of the database so far, all programs' together."""
    sleep(_STATISTICS_SECONDS)
    return database.transactions(url)
