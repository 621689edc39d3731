"""`hopfleet bench fairness`: one account floods; how soon are another's clicks rows?"""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from base.clock import sleep, steady
from base.errors import HopfleetError
from ops.bench import database, traffic
from ops.bench.driving import ask, warm_up
from ops.bench.side import side
from ops.bench.stage import Stage, stage
from ops.bench.traffic import Target
from ops.bench.whole import Fleet, fleet

_CONNECTIONS = 128
_MOST_SECONDS = 120.0  # a click that takes longer is an error
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Fairness:
    """The flood's clicks a second, how long it is watched, and with what behind it."""

    rate: float = 10_000
    seconds: float = 10.0
    backlog_seconds: float = 0.0  # of flood, while the workers stand still


def measure(effort: Fairness, say: Callable[[str], None]) -> dict[str, Any]:
    """Delays of the other account's clicks, alone and beside the flood, in milliseconds."""
    with stage() as ready, fleet(ready) as running:
        flooding, other = _targets(ready)
        warm_up(ready.url, running.port, other)
        say("The other account alone …")
        alone = _delays(ready, running, other, min(effort.seconds, 5))
        say(f"Beside {effort.rate:,.0f} clicks a second of one account …")
        lasting = effort.seconds + effort.backlog_seconds + 1
        with side(
            "flood", running.port, flooding, ready.folder, ready.environment,
            seconds=lasting, rate=effort.rate, connections=_CONNECTIONS,
        ) as flood:  # fmt: skip
            _pile_up(running, effort.backlog_seconds)
            rows = database.rows(ready.url)
            beside = _delays(ready, running, other, effort.seconds)
            rows = database.rows(ready.url) - rows
            report = flood.report()
        stored, drained = database.wait_for_rows(
            ready.url, 1 + len(report["acked_ids"]) // 32, _MOST_SECONDS
        )
        running.check()
    return {
        **{f"alone_{name}": value for name, value in _summary(alone).items()},
        **{f"beside_{name}": value for name, value in _summary(beside).items()},
        "flood_per_second": report["per_second"],
        "flood_acked": report["acked"],
        "flood_p99_ms": report["latency_ms"]["p99"],
        "rows_meanwhile": rows,
        "drained_after_seconds": round(drained, 2),
        "rows_at_the_end": stored,
    }


def _targets(ready: Stage) -> tuple[list[Target], Target]:
    """The flooding account's requests, and one of another's."""
    first, second = database.links_by_account(ready.url)[:2]
    return traffic.visits(first, pixel_share=0), traffic.visits(second, 1, pixel_share=0)[0]


def _pile_up(running: Fleet, seconds: float) -> None:
    """Let the flood run into the journal alone."""
    if not seconds:
        sleep(1)  # it has begun
        return
    worker = running.children["worker clicks"].pid
    os.kill(worker, signal.SIGSTOP)
    try:
        sleep(seconds)
    finally:
        os.kill(worker, signal.SIGCONT)


def _delays(ready: Stage, running: Fleet, request: Target, seconds: float) -> list[float]:
    """Milliseconds from a click's request to its row, click after click."""
    dice = random.Random(5)
    taken = []
    end = steady() + seconds
    with database.session(ready.url) as connection:
        while steady() < end:
            started = steady()
            click_id = ask(running.port, request)
            while not database.is_visible(connection, click_id):
                if steady() - started > _MOST_SECONDS:
                    raise HopfleetError(f"A click had no row after {_MOST_SECONDS:.0f} s.")
                sleep(_POLL_SECONDS)
            taken.append((steady() - started) * 1000)
            sleep(dice.uniform(0.02, 0.2))
    return taken


def _summary(delays: list[float]) -> dict[str, float]:
    delays = sorted(delays)
    return {
        "clicks": len(delays),
        "p50_ms": round(delays[len(delays) // 2], 1),
        "p99_ms": round(delays[min(int(len(delays) * 0.99), len(delays) - 1)], 1),
        "max_ms": round(delays[-1], 1),
    }
