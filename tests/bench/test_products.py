"""The benchmark of the catalogue in its short form, on real processes and stores."""

import json
import os
from pathlib import Path

from ops.bench.catalogue import KINDS
from ops.bench.children import child, python
from ops.bench.products import QUICK

_COMMAND = python("-c", "from ops.cli.bench import app; app()", "products", "--quick", "--json")


def test_the_short_form_syncs_searches_and_clicks(tmp_path: Path) -> None:
    with child("bench", _COMMAND, {**os.environ, "TMPDIR": str(tmp_path)}, tmp_path) as run:
        code = run.wait(120)
        assert code == 0, run.failed("failed")

    said = run.said()
    found = json.loads(said[said.index("{\n") :])
    assert found["products"] == QUICK.products
    assert found["same_rows_rewritten"] == 0
    assert 0 < found["changed_rows_of_products"] == found["changed_products"] < QUICK.products / 20
    assert set(found["searches"]) == set(KINDS)
    assert found["clicks_per_second_beside_reading"] > 0
    assert not list(tmp_path.glob("hopfleet-bench-*"))
