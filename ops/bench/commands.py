"""Hopfleet's own commands, run to their end in a stage, as its operator would."""

import subprocess
from typing import Any

import orjson

from base.errors import HopfleetError
from ops.bench.children import hopfleet
from ops.bench.stage import Stage

_SECONDS = 60.0


def command(ready: Stage, *words: str) -> Any:
    """What `hopfleet WORDS --json` prints; raises with its complaint when it fails."""
    done = subprocess.run(
        hopfleet(*words, "--json"), env=dict(ready.environment), capture_output=True,
        timeout=_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise HopfleetError(f"`hopfleet {' '.join(words[:2])}` failed: {said}")
    return orjson.loads(done.stdout)
