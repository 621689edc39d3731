"""Run the usual way of taking notifications at each shape, and keep its best."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.bench import database
from ops.bench.children import child, python, wait_until_answering
from ops.bench.driving import drive
from ops.local.ports import free_port

SHAPES = ((1, 10), (1, 30), (2, 10), (2, 20))  # processes, connections of each
BARE_SHAPES = ((1, 10), (2, 10))
APP, BARE_APP = "ops.bench.usual.payments:app", "ops.bench.usual.bare_payments:app"


def measure(
    url: str,
    targets: Path,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    shapes: Sequence[tuple[int, int]] = SHAPES,
    app: str = APP,
) -> dict[str, Any]:
    """The run that committed the most notifications a second, and under `tried` all of them."""
    tried = [
        _run(url, targets, folder, environment, seconds, processes, connections, app)
        for processes, connections in shapes
    ]
    database.forget_payments(url)
    return {**max(tried, key=lambda each: float(each["per_second"])), "tried": tried}


def _run(
    url: str,
    targets: Path,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    processes: int,
    connections: int,
    app: str,
) -> dict[str, Any]:
    database.forget_payments(url)
    database.settle(url)
    port = free_port()
    argv = python(
        "-m", "uvicorn", app, "--host", "127.0.0.1",
        "--port", str(port), "--workers", str(processes), "--loop", "uvloop",
        "--http", "httptools", "--no-access-log", "--log-level", "warning",
    )  # fmt: skip
    own = {"HOPFLEET_DATABASE_URL": url, "HOPFLEET_POOL_MAX": str(connections)}
    with child("usual payments", argv, {**environment, **own}, folder) as server:
        wait_until_answering(server, port, "/healthz")
        watched = {"server": server.pid}
        done = drive(port, targets, folder, environment, seconds=seconds, watched=watched)
        return {
            "processes": processes,
            "connections": connections,
            "rows": database.rows(url),
            "per_second": round(database.rows(url) / done.report["seconds"], 1),
            "load": done.figures,
        }
