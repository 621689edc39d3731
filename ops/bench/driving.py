"""One run of the load generator, as a process of its own, with everybody's CPU beside it."""

import json
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from base.clock import sleep, steady
from base.errors import HopfleetError
from ops.bench import database
from ops.bench.children import child, python
from ops.bench.sampling import Usage, busy_seconds, sampled
from ops.bench.traffic import Target

CONNECTIONS = 128
_GRACE_SECONDS = 30.0
_LONGEST_SECONDS = 900.0  # of a run that ends by number of requests


@dataclass(frozen=True)
class Drive:
    """What the generator reported, the acked ids (32 bytes each), and who used how much."""

    report: dict[str, Any]
    acked: bytes
    usage: dict[str, Usage]
    others_cores: float  # what programs outside the run used meanwhile

    @property
    def figures(self) -> dict[str, Any]:
        """The report with the usage of every component, and of everybody else."""
        return self.report | {
            "usage": {name: use.figures() for name, use in self.usage.items()},
            "others_cores": self.others_cores,
        }


def drive(
    port: int,
    targets: Path,
    folder: Path,
    environment: Mapping[str, str],
    *,
    seconds: float,
    rate: float | None = None,
    requests: int = 0,
    watched: Mapping[str, int] | None = None,
) -> Drive:
    """Load the server on `port`: closed loop, or open at `rate`; `watched` names pids."""
    acked, report = folder / "acked.ids", folder / "load-report.json"
    longest = _LONGEST_SECONDS if requests else seconds
    argv = python(
        "-m", "ops.bench.load", "--url", f"http://127.0.0.1:{port}", "--targets", str(targets),
        "--connections", str(CONNECTIONS), "--seconds", str(longest), "--requests", str(requests),
        "--acked", str(acked), "--report", str(report),
    )  # fmt: skip
    if rate is not None:
        argv += ["--rate", str(rate)]
    with ExitStack() as stack:
        generator = stack.enter_context(child("load", argv, environment, folder))
        components = {**(watched or {}), "load": generator.pid}
        usage = stack.enter_context(sampled(components))
        busy, started = busy_seconds(), steady()
        try:
            if generator.wait(longest + _GRACE_SECONDS) != 0:
                raise generator.failed("ended with an error")
        except subprocess.TimeoutExpired:
            raise generator.failed("did not end in time") from None
        busy, took = busy_seconds() - busy, steady() - started
    others = max(busy - sum(use.cpu_seconds for use in usage.values()), 0.0) / took
    return Drive(json.loads(report.read_text()), acked.read_bytes(), usage, round(others, 2))


def ask(port: int, request: Target) -> str:
    """Send one request over a connection of its own; the click id of its answer."""
    door = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        door.request(request.method, request.path, headers=request.headers)
        click_id = door.getresponse().headers["X-Click-Id"]
    finally:
        door.close()
    if click_id is None:
        raise HopfleetError("A single request was answered, but not recorded.")
    return click_id


def warm_up(url: str, port: int, request: Target) -> None:
    """One request all the way to its row, so that no run pays for imports; leaves no row."""
    ask(port, request)
    rows, _ = database.wait_for_rows(url, 1, _GRACE_SECONDS)
    if rows != 1:
        raise HopfleetError(f"One request became {rows} rows within {_GRACE_SECONDS:.0f} s.")
    database.empty(url)


def observe(seconds: float, watched: Mapping[str, int]) -> dict[str, Usage]:
    """Watch the given pids for a while without asking anything of them."""
    with sampled(watched) as usage:
        sleep(seconds)
    return usage
