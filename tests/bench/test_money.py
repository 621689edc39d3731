"""The benchmark of money in its short form, on real processes and stores."""

import json
import os
from pathlib import Path

import pytest

from ops.bench.children import child, python
from ops.bench.money import QUICK

_COMMAND = python("-c", "from ops.cli.bench import app; app()", "money", "--quick", "--json")


# It starts some twenty commands, each a second: too long for every run of the tests.
@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_short_form_counts_every_message_and_gives_ratios(tmp_path: Path) -> None:
    with child("bench", _COMMAND, {**os.environ, "TMPDIR": str(tmp_path)}, tmp_path) as run:
        code = run.wait(360)
        assert code == 0, run.failed("failed")

    said = run.said()
    found = json.loads(said[said.index("{\n") :])
    assert found["notifications"] == QUICK.notifications  # their revenue was right, too
    for name in ("notifications", "postbacks", "email_deliveries", "download_deliveries", "usual"):
        assert found[f"{name}_per_second"] > 0
    assert found["notifications_to_usual"] > 0
    assert not list(tmp_path.glob("hopfleet-bench-*"))
