"""The benchmark of workers in its short form, on real processes and stores."""

import json
import os
from pathlib import Path

import pytest

from ops.bench.backlog import QUICK, table
from ops.bench.children import child, python

_SECONDS = 150
_COMMAND = python("-c", "from ops.cli.bench import app; app()", "workers", "--quick", "--json")


@pytest.mark.timeout(_SECONDS + 30)
def test_a_backlog_is_drained_by_each_number_of_workers_beside_raw_copy(tmp_path: Path) -> None:
    with child("bench", _COMMAND, {**os.environ, "TMPDIR": str(tmp_path)}, tmp_path) as run:
        code = run.wait(_SECONDS)
        assert code == 0, run.failed("failed")

    said = run.said()
    result = json.loads(said[said.index("{") :])
    assert [each["workers"] for each in result["drains"]] == list(QUICK.workers)
    for each in result["drains"]:  # which also means: stored is exactly what was acked
        assert each["rows"] >= QUICK.clicks
        assert each["rows_per_second"] > 0
    assert result["copy_rows_per_second"] > 0
    assert len(table(result)) == len(result["drains"]) + 3
    assert not list(tmp_path.glob("hopfleet-bench-*"))
