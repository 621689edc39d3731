"""`hopfleet bench workflows`: thousands due at once, whole runs, start lag, idling, fairness."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from base.clock import sleep
from base.errors import HopfleetError
from ops.bench import workflow_rows as rows
from ops.bench.children import child, hopfleet
from ops.bench.driving import observe
from ops.bench.stage import Stage, stage
from ops.bench.usual import automated
from ops.bench.whole import FLEET

_LONGEST_SECONDS = 600.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How many of each; 0 leaves a part out."""

    due: int = 60_000
    schedulers: int = 3
    users: int = 2_000
    runs: int = 20_000
    lag_rate: float = 100
    lag_seconds: float = 20
    crowd: int = 100_000
    singles: int = 20
    sleeping: int = 1_000_000
    idle_seconds: float = 60
    usual_seconds: float = 10
    skip_usual: bool = False


QUICK = Effort(
    due=2_000, users=200, runs=200, lag_rate=50, lag_seconds=1, crowd=500, singles=1,
    sleeping=0, usual_seconds=2, skip_usual=True,
)  # fmt: skip


def measure(effort: Effort, say: Say) -> dict[str, Any]:
    """Everything in one run on stores of its own."""
    with stage() as ready:
        rows.owners(ready.url, effort.users)
        rows.owners(ready.usual_url, effort.users)
        found = _fired(ready, effort, say)
        with _running(ready, _WORKING):
            found |= _runs(ready, effort, say)
            found |= _lag(ready, effort, say)
            found |= _fairness(ready, effort, say)
        if effort.sleeping and effort.idle_seconds:
            found |= _idle(ready, effort, say)
        if not effort.skip_usual:
            found |= _usual(ready, found, effort, say)
    return {"cores": os.cpu_count(), **found}


# As `hopfleet up` runs them, without the doors: nobody clicks.
_WORKING = {name: words for name, words in FLEET.items() if name != "ingest"}


@contextmanager
def _running(ready: Stage, programs: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, int]]:
    """These programs, ready; their pids."""
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(
                child(name, hopfleet(*words), ready.environment, ready.folder)
            )
            for name, words in programs.items()
        }
        for each in started.values():
            while ".started" not in each.said():
                if not each.running():
                    raise each.failed("ended while starting")
                sleep(0.05)
        yield {name: each.pid for name, each in started.items()}
        for each in started.values():
            if not each.running():
                raise each.failed("ended during the run")


def _fired(ready: Stage, effort: Effort, say: Say) -> dict[str, Any]:
    """All workflows due in the same second: how fast they become runs, and whether once each."""
    say(f"{effort.due:,} workflows due in one second, {effort.schedulers} schedulers …")
    rows.workflows(ready.url, effort.due, rows.SCHEDULED, rows.TWO_STEPS, effort.users)
    programs = {f"scheduler {number}": ("scheduler",) for number in range(effort.schedulers)}
    with _running(ready, programs):
        rows.until_checked(ready.url, _LONGEST_SECONDS)
        rows.tidy(ready.url)
        due = rows.due_together(ready.url, 1 + effort.due / 8_000)
        fired = rows.until_fired(ready.url, due, _LONGEST_SECONDS)
    if (fired.runs, fired.workflows, fired.advanced) != (effort.due,) * 3:
        raise HopfleetError(
            f"{effort.due} workflows were due: {fired.runs} runs of {fired.workflows} of them,"
            f" {fired.advanced} with a later next time."
        )
    rows.forget(ready.url)
    return {
        "due_together": effort.due,
        "schedulers": effort.schedulers,
        "claims_per_second": round(effort.due / fired.seconds, 1),
        "claims_seconds": round(fired.seconds, 2),
        "first_claim_after_seconds": round((fired.first_at - due).total_seconds(), 3),
    }


def _runs(ready: Stage, effort: Effort, say: Say) -> dict[str, Any]:
    """Runs of two database steps each, from a backlog."""
    say(f"{effort.runs:,} runs of two steps …")
    rows.workflows(ready.url, effort.users, rows.HOURLY, rows.TWO_STEPS, effort.users)
    rows.until_checked(ready.url, _LONGEST_SECONDS)
    rows.tidy(ready.url)
    rows.queue_runs(ready.url, effort.runs)
    ended = rows.until_ended(ready.url, effort.runs, _LONGEST_SECONDS)
    rows.forget(ready.url)
    wanted = (effort.runs, effort.runs, effort.runs, effort.runs, 2 * effort.runs)
    if ended[:5] != wanted:
        raise HopfleetError(f"{effort.runs} runs made {ended}.")
    return {
        "runs": ended.runs,
        "runs_per_second": round(ended.runs / ended.seconds, 1),
        "runs_seconds": round(ended.seconds, 2),
    }


def _lag(ready: Stage, effort: Effort, say: Say) -> dict[str, Any]:
    """Workflows due one after the other: how long after their time runs begin."""
    count = int(effort.lag_rate * effort.lag_seconds)
    say(f"{effort.lag_rate:,.0f} workflows due per second, for {effort.lag_seconds:,.0f} s …")
    rows.workflows(ready.url, count, rows.HOURLY, rows.ONE_STEP, effort.users)
    rows.until_checked(ready.url, _LONGEST_SECONDS)
    rows.tidy(ready.url)
    rows.due_apart(ready.url, 1 + count / 1_000, effort.lag_rate)
    rows.until_ended(ready.url, count, _LONGEST_SECONDS)
    middle, most = rows.lags(ready.url)
    rows.forget(ready.url)
    return {
        "due_per_second": effort.lag_rate,
        "start_lag_p50_ms": round(middle * 1000, 1),
        "start_lag_p99_ms": round(most * 1000, 1),
    }


def _fairness(ready: Stage, effort: Effort, say: Say) -> dict[str, Any]:
    """One user's single runs while another's many wait."""
    say(f"{effort.crowd:,} runs of one user wait, another has one …")
    rows.crowd(ready.url, effort.crowd)
    delays = []
    for number in range(effort.singles):
        delays.append(rows.single(ready.url, f"single {number}", _LONGEST_SECONDS))
        if not (left := rows.waiting(ready.url)):
            break
        sleep(0.25)
    delays.sort()
    return {
        "crowd": effort.crowd,
        "crowd_left": left,
        "singles": len(delays),
        "single_p50_ms": round(delays[len(delays) // 2] * 1000, 1),
        "single_most_ms": round(delays[-1] * 1000, 1),
    }


def _idle(ready: Stage, effort: Effort, say: Say) -> dict[str, Any]:
    """A scheduler with nothing due, over a full table; its CPU, and PostgreSQL's for it."""
    say(f"{effort.sleeping:,} workflows scheduled, none due …")
    rows.forget(ready.url)
    rows.sleeping_workflows(ready.url, effort.sleeping, effort.users)
    with _running(ready, {"scheduler": ("scheduler",)}) as pids:
        sleep(10)  # what it does at its start
        used = observe(
            effort.idle_seconds, {**pids, "postgres": ready.stores["postgres"].process.pid}
        )
    rows.forget(ready.url)
    return {
        "sleeping": effort.sleeping,
        "idle_seconds": effort.idle_seconds,
        "idle_scheduler_percent": round(used["scheduler"].cores * 100, 2),
        "idle_postgres_percent": round(used["postgres"].cores * 100, 2),
    }


def _usual(ready: Stage, ours: dict[str, Any], effort: Effort, say: Say) -> dict[str, Any]:
    say("The usual way, at its best of several shapes …")
    rows.workflows(ready.usual_url, effort.due, rows.SCHEDULED, rows.TWO_STEPS, effort.users)
    usual = automated.measure(
        ready.usual_url, ready.folder, ready.environment, effort.schedulers, effort.usual_seconds
    )
    return {
        **usual,
        "claims_to_usual": round(ours["claims_per_second"] / usual["usual_claims_per_second"], 2),
        "runs_to_usual": round(ours["runs_per_second"] / usual["usual_runs_per_second"], 2),
    }
