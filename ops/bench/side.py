"""Load generators that run beside one another: one as usual, another as somebody who floods."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.bench import traffic
from ops.bench.children import Child, child, python
from ops.bench.traffic import Target

_GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Side:
    """One load generator at work; `report` waits until it is done."""

    process: Child
    seconds: float
    file: Path

    def report(self) -> dict[str, Any]:
        """What it saw, as `ops.bench.load` reports it, and the `acked_ids`, 32 bytes each."""
        try:
            if self.process.wait(self.seconds + _GRACE_SECONDS) != 0:
                raise self.process.failed("ended with an error")
        except subprocess.TimeoutExpired:
            raise self.process.failed("did not end in time") from None
        report: dict[str, Any] = json.loads(self.file.with_suffix(".json").read_text())
        return report | {"acked_ids": self.file.with_suffix(".ids").read_bytes()}


@contextmanager
def side(
    name: str,
    port: int,
    targets: Sequence[Target],
    folder: Path,
    environment: Mapping[str, str],
    *,
    seconds: float,
    rate: float,
    connections: int = 32,
) -> Iterator[Side]:
    """Ask the doors on `port` for `seconds`, `rate` times a second, in an open loop."""
    file = folder / name
    traffic.save(targets, file.with_suffix(".targets"))
    argv = python(
        "-m", "ops.bench.load", "--url", f"http://127.0.0.1:{port}",
        "--targets", str(file.with_suffix(".targets")), "--connections", str(connections),
        "--seconds", str(seconds), "--rate", str(rate),
        "--acked", str(file.with_suffix(".ids")), "--report", str(file.with_suffix(".json")),
    )  # fmt: skip
    with child(f"load {name}", argv, environment, folder) as process:
        yield Side(process, seconds, file)


def one(name: str, port: int, targets: Sequence[Target], folder: Path,
        environment: Mapping[str, str], *, seconds: float, rate: float,
        connections: int = 32) -> dict[str, Any]:  # fmt: skip
    """One load alone, to its end."""
    with side(name, port, targets, folder, environment,
              seconds=seconds, rate=rate, connections=connections) as alone:  # fmt: skip
        return alone.report()
