"""The whole benchmark in its short form, on real processes and stores."""

import json
import math
import os
import signal
from pathlib import Path

import psutil
import pytest

from ops.bench.children import child, python

# The machine of a test run is shared, so no figure is held against its goal here.
_SHORT_SECONDS = 110
_COMMAND = python("-c", "from ops.cli.bench import app; app()", "ingest", "--quick")


@pytest.mark.timeout(_SHORT_SECONDS + 30)
def test_the_short_form_stores_what_was_acked_and_gives_ratios(tmp_path: Path) -> None:
    argv = [*_COMMAND, "--json", str(tmp_path / "result.json")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with child("bench", argv, environment, tmp_path) as run:
        code = run.wait(_SHORT_SECONDS)
        assert code == 0, run.failed("failed")

    result = json.loads((tmp_path / "result.json").read_text())
    figures, hopfleet_run = result["median"], result["runs"][0]["hopfleet"]
    for ratio in ("rows_to_usual", "rows_to_copy", "requests_to_bare"):
        assert math.isfinite(figures[ratio])
        assert figures[ratio] > 0
    assert hopfleet_run["stored_equals_acked"], hopfleet_run["difference"]
    assert figures["acked"] > 100
    assert set(hopfleet_run["memory_mib"]) >= {"ingest", "worker clicks", "postgres", "journal"}
    assert "raw COPY" in (tmp_path / "bench.log").read_text()
    assert not list(tmp_path.glob("hopfleet-bench-*"))


@pytest.mark.timeout(90)
def test_a_run_that_is_interrupted_leaves_neither_process_nor_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with child("bench", _COMMAND, environment, tmp_path) as run:
        while not list(tmp_path.glob("hopfleet-bench-*/targets.json")):
            assert run.running(), run.failed("ended")
        started = psutil.Process(run.pid).children(recursive=True)
        os.kill(run.pid, signal.SIGTERM)
        code = run.wait(60)

    assert code != 0
    assert started
    assert not any(each.is_running() for each in started)
    assert not list(tmp_path.glob("hopfleet-bench-*"))
