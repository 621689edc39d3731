"""The benchmark of workflows in its short form, on real processes and stores."""

import json
import os
from pathlib import Path

from ops.bench.children import child, python
from ops.bench.workflows import QUICK

_COMMAND = python("-c", "from ops.cli.bench import app; app()", "workflows", "--quick", "--json")


def test_the_short_form_fires_and_carries_out_everything_once(tmp_path: Path) -> None:
    with child("bench", _COMMAND, {**os.environ, "TMPDIR": str(tmp_path)}, tmp_path) as run:
        code = run.wait(120)
        assert code == 0, run.failed("failed")

    said = run.said()
    found = json.loads(said[said.index("{\n") :])
    assert found["due_together"] == QUICK.due  # each of them fired once, or it had raised
    assert found["runs"] == QUICK.runs
    assert found["claims_per_second"] > 0
    assert found["singles"] > 0
    assert not list(tmp_path.glob("hopfleet-bench-*"))
