"""Run the usual way of workflows at each shape, and keep its best."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from base.clock import sleep, steady
from base.errors import HopfleetError
from ops.bench.children import child, python
from ops.bench.stage import broker_number
from ops.bench.usual.workflow_tables import TABLES, Base, Run, Workflow, engine

BATCHES = (1, 100, 1_000)  # workflows in one transaction of a scheduler
SHAPES = ((1, 8), (2, 4), (2, 8), (2, 16))  # processes and threads of workers
_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_STALL_SECONDS = 1.0  # then there is nothing left


class _Seen(NamedTuple):
    """How many runs were made, or have ended, at a moment of the database's clock."""

    runs: int
    at: datetime


def measure(
    url: str, folder: Path, environment: Mapping[str, str], schedulers: int, seconds: float
) -> dict[str, Any]:
    """Claims a second of the best batch, runs a second of the best shape, and all that was tried.

    What the schedulers of the best batch have sent is what the workers run.
    """
    own = {**environment, "HOPFLEET_DATABASE_URL": url}
    database = engine(url)
    Base.metadata.create_all(database, TABLES)

    def claims(number: int, batch: int) -> dict[str, Any]:
        own["HOPFLEET_REDIS_URL"] = broker_number(environment["HOPFLEET_REDIS_URL"], number)
        _due_now(database)
        return {"batch": batch, "per_second": _claims(database, folder, own, schedulers, batch,
                                                      seconds)}  # fmt: skip

    tried = [claims(number, batch) for number, batch in enumerate(BATCHES, 1)]
    best = max(tried, key=lambda each: float(each["per_second"]))
    claims(len(BATCHES) + 1, best["batch"])
    shapes = [
        {"processes": processes, "threads": threads,
         "per_second": _runs(database, folder, own, processes, threads, seconds)}
        for processes, threads in SHAPES
    ]  # fmt: skip
    most = max(shapes, key=lambda each: float(each["per_second"]))
    database.dispose()
    return {
        "usual_claims_per_second": best["per_second"],
        "usual_claims_batch": best["batch"],
        "usual_runs_per_second": most["per_second"],
        "usual_runs_shape": f"{most['processes']} processes, {most['threads']} threads each",
        "usual_tried": [*tried, *shapes],
    }


def _due_now(database: Engine) -> None:
    """No run is left, and every workflow is due."""
    with Session(database) as session, session.begin():
        session.execute(delete(Run))
        session.execute(update(Workflow).values(next_run_at=func.now()))


def _claims(
    database: Engine, folder: Path, own: Mapping[str, str], schedulers: int, batch: int,
    seconds: float,
) -> float:  # fmt: skip
    argv = python("-m", "ops.bench.usual.polling", str(batch))
    with ExitStack() as stack:
        for number in range(schedulers):
            stack.enter_context(child(f"usual scheduler {batch} {number}", argv, own, folder))
        found = _rate(database, seconds, ended=False)
        sleep(seconds)  # messages follow their commit; whoever is killed sends none
        return found


def _runs(
    database: Engine, folder: Path, own: Mapping[str, str], processes: int, threads: int,
    seconds: float,
) -> float:  # fmt: skip
    argv = python(
        "-m", "dramatiq", "ops.bench.usual.automations",
        "--processes", str(processes), "--threads", str(threads),
    )  # fmt: skip
    with child(f"usual workers {processes} {threads}", argv, own, folder):
        return _rate(database, seconds, ended=True)


def _rate(database: Engine, seconds: float, *, ended: bool) -> float:
    """Runs made, or ended, a second: from the first one seen until time or work is over.

    Processes start before; that is not counted.
    """
    before = _look(database, ended=ended)
    limit = steady() + _START_SECONDS
    while (first := _look(database, ended=ended)).runs == before.runs:
        if steady() > limit:
            raise HopfleetError("The usual way did nothing: see its logs.")
        sleep(_POLL_SECONDS)
    limit, last = steady() + seconds, first
    while steady() < limit:
        sleep(_POLL_SECONDS)
        seen = _look(database, ended=ended)
        if seen.runs > last.runs:
            last = seen
        elif (seen.at - last.at).total_seconds() > _STALL_SECONDS:
            break
    if last.runs == first.runs:
        return 0.0
    return round((last.runs - first.runs) / (last.at - first.at).total_seconds(), 1)


def _look(database: Engine, *, ended: bool) -> _Seen:
    wanted = select(func.count(), func.clock_timestamp()).select_from(Run)
    if ended:
        wanted = wanted.where(Run.ended_at.is_not(None))
    with database.connect() as connection:
        return _Seen(*connection.execute(wanted).one())
