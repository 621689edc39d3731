"""Run the usual way at each number of processes and threads, and keep its best."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from base.errors import Misused
from ops.bench import database, traffic
from ops.bench.children import child, python, wait_until_answering
from ops.bench.driving import drive, warm_up
from ops.bench.stage import broker_number
from ops.local.ports import free_port

SHAPES = ((1, 8), (1, 16), (2, 8), (2, 16))  # processes, threads
VOID_BELOW = 500.0  # requests a second: something other than the usual way was slow
_DRAIN_SECONDS = 60.0


def measure(
    url: str,
    targets: Path,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> dict[str, Any]:
    """The run that stored the most rows a second, and under `tried` all of them.

    A run below `VOID_BELOW` is void and repeated once; when all are void, so is the result.
    """
    for needed in ("fastapi", "uvicorn"):
        if find_spec(needed) is None:
            raise Misused(f"The usual way needs {needed}: run `make install`, or --skip-usual.")
    tried: list[dict[str, Any]] = []
    for processes, threads in shapes:
        for _ in range(2):  # a void run is repeated once
            # A number of its own: what the run before left in the queue is not this run's.
            redis = broker_number(environment["HOPFLEET_REDIS_URL"], len(tried) + 1)
            own = {"HOPFLEET_DATABASE_URL": url, "HOPFLEET_REDIS_URL": redis}
            found = _run(url, targets, folder, {**environment, **own}, seconds, processes, threads)
            tried.append(found)
            if not found["void"]:
                break
    database.empty(url)
    valid = [each for each in tried if not each["void"]] or tried
    best = max(valid, key=lambda each: float(each["rows_per_second"]))
    return {**best, "tried": tried}


def _run(
    url: str,
    targets: Path,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    processes: int,
    threads: int,
) -> dict[str, Any]:
    database.empty(url)
    database.settle(url)
    port = free_port()
    server_argv = python(
        "-m", "uvicorn", "ops.bench.usual.app:app", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(processes), "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--log-level", "warning",
    )  # fmt: skip
    worker_argv = python(
        "-m", "dramatiq", "ops.bench.usual.actors",
        "--processes", str(processes), "--threads", str(threads),
    )  # fmt: skip
    with (
        child("usual worker", worker_argv, environment, folder) as worker,
        child("usual server", server_argv, environment, folder) as server,
    ):
        wait_until_answering(server, port, "/healthz")
        warm_up(url, port, traffic.read(targets)[0])
        watched = {"server": server.pid, "worker": worker.pid}
        done = drive(port, targets, folder, environment, seconds=seconds, watched=watched)
        rows, drained = database.wait_for_rows(url, done.report["acked"], _DRAIN_SECONDS)
        return {
            "processes": processes,
            "threads": threads,
            "rows": rows,
            "drain_seconds": round(drained, 2),
            "rows_per_second": round(rows / (done.report["seconds"] + drained), 1),
            "void": done.report["per_second"] < VOID_BELOW,
            "load": done.figures,
        }
