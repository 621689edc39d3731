"""Floods of made-up tracking ids: the database is asked no more than a constant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bench import database, traffic
from ops.bench.flood import Flood, made_up, measure
from tests.fleet.fleet import Fleet
from tests.fleet.program import ROOT

# Rounds of look-ups, polls, sweeps; each door has 50 rounds a second at most.
TRANSACTIONS_A_SECOND = 100


def test_made_up_ids_cost_a_constant_number_of_queries(fleet: Fleet, tmp_path: Path) -> None:
    name = fleet.campaign()["tracking_id"]
    fleet.click(name)
    traffic.save(made_up(), tmp_path / "targets.json")
    load = [sys.executable, "-m", "ops.bench.load", "--url", f"http://127.0.0.1:{fleet.port}",
            "--targets", str(tmp_path / "targets.json"), "--json", "--seconds", "4"]  # fmt: skip

    before = database.transactions(fleet.stores["postgres"].url)
    said = subprocess.run(load, cwd=ROOT, capture_output=True, check=True)
    beside = fleet.click(name)
    asked = database.transactions(fleet.stores["postgres"].url) - before

    report = json.loads(said.stdout)
    assert report["statuses"] == {"404": report["requests"]}
    assert report["requests"] > 10 * asked
    assert asked < report["seconds"] * TRANSACTIONS_A_SECOND
    assert beside.click_id


@pytest.mark.long
def test_good_redirects_stay_quick_beside_a_flood() -> None:
    runs = [measure(Flood(seconds=10), print) for _ in range(3)]

    for run in runs:
        assert run["good_unanswered"] == 0
        assert set(run["good_statuses"]) == {"200", "302"}
        assert set(run["flood_statuses"]) == {"404"}
        assert run["transactions_a_second"] < TRANSACTIONS_A_SECOND
    assert min(run["flooded_to_quiet"] for run in runs) < 2
