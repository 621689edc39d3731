"""Redirects do not depend on the stores, and nothing that was promised meanwhile is lost."""

import json
import subprocess
import sys

import pytest

from ops.bench import outage
from tests.fleet.fleet import Answer, Fleet
from tests.fleet.program import ROOT
from tests.make import Made


def _every_door(fleet: Fleet, campaign: Made, key: dict[str, str]) -> list[Answer]:
    """One event through each door."""
    name = campaign["tracking_id"]
    event = f'{{"type":"click","tracking_id":"{name}"}}'
    return [
        fleet.click(name),
        fleet.ask("GET", f"/p/{name}.gif"),
        fleet.ask("POST", f"/e/{name}", body="{}"),
        fleet.ask("POST", "/v1/events", key, event),
    ]


def _ack(answer: Answer) -> str:
    """The click id an answer promises; fails when it promises none."""
    told = answer.click_id or answer.body.partition(b'"click_id":"')[2][:32].decode()
    assert len(told) == 32, answer
    return told


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_doors_keep_their_word_without_any_store(fleet: Fleet, restarted: bool) -> None:
    campaign = fleet.campaign()
    key = fleet.key(campaign["user_id"])
    stranger = fleet.campaign(user_id=campaign["user_id"])
    answers = _every_door(fleet, campaign, key)

    fleet.kill("journal", "postgres")
    answers += _every_door(fleet, campaign, key)
    if restarted:
        fleet.restart("ingest")
    for _ in range(20):
        answers += _every_door(fleet, campaign, key)
    while_away = fleet.click(stranger["tracking_id"])
    missing = fleet.ask("GET", "/readyz")
    fleet.start("postgres", "journal")
    fleet.until_ready()
    afterwards = fleet.click(stranger["tracking_id"])
    fleet.until_drained()

    assert {answer.status for answer in answers[::4]} == {302}
    assert [answer.status for answer in answers[:4]] * 22 == [answer.status for answer in answers]
    assert (while_away.status, while_away.click_id, missing.status) == (503, None, 503)
    assert afterwards.status == 302
    acked = [_ack(answer) for answer in (*answers, afterwards)]
    assert sorted(fleet.stored(campaign["user_id"])) == sorted(acked)
    assert fleet.dead(campaign["user_id"]) == []


def test_what_the_spool_of_a_killed_door_holds_is_stored(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    acked = [_ack(fleet.click(campaign["tracking_id"]))]

    fleet.kill("journal")
    acked += [_ack(fleet.click(campaign["tracking_id"])) for _ in range(10)]
    fleet.kill("ingest")
    fleet.start("journal", "ingest")
    fleet.until_drained()

    assert sorted(fleet.stored(campaign["user_id"])) == sorted(acked)


@pytest.mark.long
def test_redirects_stay_quick_without_any_store(fleet: Fleet) -> None:
    name = fleet.campaign()["tracking_id"]
    fleet.click(name)
    load = [sys.executable, "-m", "ops.bench.load", "--url", f"http://127.0.0.1:{fleet.port}",
            "--path", f"/r/{name}", "--rate", "500", "--connections", "32", "--json"]  # fmt: skip

    fleet.kill("journal", "postgres")
    for seconds in (1, 10):  # the promise holds from one second after the failure
        said = subprocess.run(
            [*load, "--seconds", str(seconds)], cwd=ROOT, capture_output=True, check=True
        )
        report = json.loads(said.stdout)
    fleet.start("postgres", "journal")
    fleet.until_ready()
    fleet.until_drained(60)

    assert report["statuses"] == {"302": report["requests"]}
    assert report["acked"] == report["requests"] > 4_900
    assert report["latency_ms"]["p99"] < 10


@pytest.mark.long
def test_redirects_stay_quick_while_stores_stand_still() -> None:
    figures = outage.measure(10, print)

    assert figures["acked_not_stored"] == 0
    for names in outage.STORES:
        name = "without " + " and ".join(names)
        assert figures[f"{name}: not_acked"] == 0
        assert figures[f"{name}: p99_ms"] < 10, name
