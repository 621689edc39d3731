"""A host or a client whose clock is two minutes off costs no event and moves none in time."""

import json
import subprocess
import sys
from typing import Any

import orjson
import pytest

from base.clock import from_ms, wall_ms
from base.ids import ms_of
from schemas.items import pack
from tests.fleet.batches import append, item
from tests.fleet.clocks import off
from tests.fleet.fleet import Fleet
from tests.fleet.program import ROOT, until

VISIBLE_SECONDS = 8  # on a busy machine
_NEAR_MS = 5_000


@pytest.mark.parametrize("seconds", [-120, pytest.param(120, marks=pytest.mark.long)])
def test_a_door_whose_clock_is_off_makes_ids_by_the_journals(fleet: Fleet, seconds: int) -> None:
    campaign = fleet.campaign()

    with off(fleet, "ingest", seconds) as environment:
        fleet.until_ready()
        acked = [str(fleet.click(campaign["tracking_id"]).click_id) for _ in range(10)]
        ready = json.loads(fleet.ask("GET", "/readyz").body)
        told = _doctor(fleet, environment)
    fleet.until_drained()

    assert [one for one in acked if abs(ms_of(one) - wall_ms()) > _NEAR_MS * 6] == []
    assert sorted(fleet.stored(campaign["user_id"])) == sorted(acked)
    assert abs(ready["clock_offset_seconds"] + seconds) < 1
    assert len(ready["warnings"]) == 1
    assert told["journal clock"] == told["PostgreSQL clock"] == "warning"


@pytest.mark.parametrize("seconds", [120, pytest.param(-120, marks=pytest.mark.long)])
def test_a_worker_whose_clock_is_off_stores_what_comes(fleet: Fleet, seconds: int) -> None:
    campaign = fleet.campaign()

    with off(fleet, "worker", seconds):
        acked = [str(fleet.click(campaign["tracking_id"]).click_id) for _ in range(10)]
        took = until(
            lambda: sorted(fleet.stored(campaign["user_id"])) == sorted(acked),
            VISIBLE_SECONDS, "every click is visible",
        )  # fmt: skip

    assert took < VISIBLE_SECONDS
    assert fleet.dead(campaign["user_id"]) == []


@pytest.mark.parametrize("seconds", [120, pytest.param(-120, marks=pytest.mark.long)])
def test_a_scheduler_whose_clock_is_off_sweeps_as_ever(fleet: Fleet, seconds: int) -> None:
    campaign = fleet.campaign()
    mine: Any = item(campaign)

    with off(fleet, "scheduler", seconds):
        append(fleet, pack([mine]))  # no door has sent a nudge
        fleet.sql(
            "INSERT INTO held_events (kind, batch_id, position, item, state, user_id)"
            " VALUES ('clicks', gen_random_uuid(), 0, %s, 'pending', %s)",
            orjson.dumps(item(campaign)), campaign["user_id"],
        )  # fmt: skip
        until(
            lambda: len(fleet.stored(campaign["user_id"])) == 2, VISIBLE_SECONDS, "both are visible"
        )

    assert mine["id"] in fleet.stored(campaign["user_id"])


def test_times_of_clients_that_are_two_minutes_off_are_theirs(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    key = fleet.key(campaign["user_id"])
    now = wall_ms()
    event = '{"type":"click","tracking_id":"%s","occurred_at":"%s"}'

    answers = [
        fleet.ask(
            "POST", "/v1/events", {**key, "Date": "Thu, 01 Jan 1970 00:00:00 GMT"},
            event % (campaign["tracking_id"], from_ms(now + off_ms).isoformat()),
        )
        for off_ms in (-120_000, 0, 120_000)
    ]  # fmt: skip
    fleet.until_drained()

    told = [json.loads(answer.body)["results"][0]["click_id"] for answer in answers]
    assert [round((ms_of(one) - now) / 60_000) for one in told] == [-2, 0, 2]
    assert sorted(fleet.stored(campaign["user_id"])) == sorted(told)


def _doctor(fleet: Fleet, environment: Any) -> dict[str, str]:
    """What `hopfleet doctor` says on a host with this environment: check → status."""
    said = subprocess.run(
        [sys.executable, "-m", "ops", "doctor", "--json"],
        env={**fleet.programs["ingest"].environment, **environment},
        cwd=ROOT, capture_output=True,
    )  # fmt: skip
    return {one["check"]: one["status"] for one in json.loads(said.stdout)["checks"]}
