"""The soak in its short form, on real processes and stores."""

import json
import os
from pathlib import Path

import pytest

from ops.bench.children import child, python

_COMMAND = python(
    "-c", "from ops.cli.bench import app; app()", "soak", "--minutes", "0.5", "--rate", "500",
    "--json",
)  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_short_soak_balances_and_watches_every_process(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with child("bench", _COMMAND, environment, tmp_path) as run:
        code = run.wait(240)
        assert code == 0, run.failed("failed")

    said = run.said()
    found = json.loads(said[said.index("{") :])
    assert (found["audit_balanced"], found["errors"]) == (True, 0)
    assert found["rows"] == found["acked"] > 10_000
    assert found["memory"].keys() >= {"ingest", "worker clicks", "scheduler", "postgres", "journal"}
    assert all(trend["last_mib"] > 1 for trend in found["memory"].values())
