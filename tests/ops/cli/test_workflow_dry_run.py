"""`hopfleet workflows dry-run`: what would happen and why, with nothing written anywhere."""

from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from db import secrets
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run
from tests.ops.cli.test_workflows import BLEEDS, HOOK

SALE = """\
name: Tell
trigger: {type: event, event: conversion, where: ["event.revenue >= 50"]}
conditions: ['event.revenue < 1000']
actions:
  - name: tell
    http_request:
      url: "https://example.com/{{ event.sub1 }}"
      headers: {Authorization: "Bearer {{ secrets.token }}"}
      json: {payout: "{{ event.revenue }}"}
  - branch:
      if: 'event.revenue > 500'
      then: [{record_note: {text: big}}]
      else: [{record_note: {text: "small, {{ steps.tell.status }}"}}]
  - {name: later, if: 'steps.tell.status == 200', record_note: {text: ok}}
  - for_each: {items: [1, 2, 3, 4, 5], do: [{record_note: {text: "n {{ item }}"}}]}
  - {name: broken, record_note: {text: "{{ event.nothing }}"}}
"""


@pytest.fixture
def owner(connect: Connect) -> Made:
    return make.user(connect(), email="ada@example.com")


@pytest.fixture
def campaign(connect: Connect, owner: Made) -> Made:
    return make.campaign(connect(), user_id=owner["id"], name="Spring", tracking_id="spring")


def _dry(run: Run, text: str, *words: str) -> Any:
    said = run("workflows", "dry-run", "-", "--user", "ada@example.com", *words, given=text)
    assert said.code == 0, said.err
    return said


def _sold(connect: Connect, owner: Made, revenue: str) -> None:
    data = {"type": "conversion", "revenue": revenue, "sub1": f"s{revenue}"}
    make.insert(
        connect(), "workflow_events",
        {"user_id": owner["id"], "kind": "conversion", "state": "done", "data": Jsonb(data)},
    )  # fmt: skip


def test_conditions_are_judged_for_each_campaign_with_the_values_they_saw(
    run: Run, connect: Connect, owner: Made, campaign: Made
) -> None:
    make.campaign(connect(), user_id=owner["id"], name="Fall", tracking_id="f", status="paused")

    facts = _dry(run, BLEEDS, "--json").json
    drawn = _dry(run, BLEEDS).out

    assert [(one["campaign"]["name"], one["holds"]) for one in facts["subjects"]] == [
        ("Spring", False), ("Fall", False),
    ]  # fmt: skip
    assert facts["subjects"][0]["clauses"][1]["seen"] == {"stats.day.refund_rate": 0.0}
    assert len(facts["next"]) == 5
    assert "09:00:00 Europe/Berlin" in drawn
    assert "conditions, Spring (spring): do not hold" in drawn
    assert '✓ campaign.status == "active"' in drawn
    assert "✗ stats.day.refund_rate > 0.2" in drawn
    assert "steps if it ran" in drawn
    assert '"text":"paused Spring"' in drawn


def test_the_latest_event_that_its_filter_takes_is_the_one_it_is_tried_on(
    run: Run, connect: Connect, owner: Made
) -> None:
    for revenue in ("60.00", "700.00", "12.00"):
        _sold(connect, owner, revenue)

    facts = _dry(run, SALE, "--json").json

    assert facts["event"]["revenue"] == "700.00"
    assert facts["where"]["holds"] is True
    assert facts["subjects"][0]["holds"] is True
    assert [(step["name"], step["does"]) for step in facts["steps"]] == [
        ("tell", True), ("2_branch", True), ("2.then.1_record_note", True),
        ("2.else.1_record_note", False), ("later", None), ("4_for_each", True),
        ("4.for.1.1_record_note", True), ("4.for.2.1_record_note", True),
        ("4.for.3.1_record_note", True), ("broken", True),
    ]  # fmt: skip


def test_steps_are_rendered_with_secrets_hidden_and_what_only_a_run_knows_named(
    run: Run, connect: Connect, owner: Made
) -> None:
    _sold(connect, owner, "60.00")
    secrets.put(connect(), owner["id"], "token", "s3cret-canary")

    said = _dry(run, SALE, "--json")
    drawn = _dry(run, SALE).out

    steps = {step["name"]: step for step in said.json["steps"]}
    assert steps["tell"]["input"]["url"] == "https://example.com/s60.00"
    assert steps["tell"]["input"]["headers"] == {"Authorization": "Bearer ***"}
    assert steps["tell"]["input"]["json"] == {"payout": "60.00"}
    assert steps["2.else.1_record_note"]["input"]["text"] == "small, <steps.tell.status>"
    assert steps["4_for_each"]["note"] == "5 items, the first 3 of them here"
    assert steps["4.for.3.1_record_note"]["input"]["text"] == "n 3"
    assert steps["broken"]["error"] == "`event.nothing` is missing"
    assert "would fail: `event.nothing` is missing" in drawn
    assert "canary" not in said.out + drawn


def test_a_secret_that_is_missing_is_said(run: Run, connect: Connect, owner: Made) -> None:
    _sold(connect, owner, "60.00")

    [tell, *_] = _dry(run, SALE, "--json").json["steps"]

    assert tell["error"] == "`secrets.token` is missing"


def test_where_nobody_listened_so_far_the_stored_events_will_do(
    run: Run, connect: Connect, owner: Made, campaign: Made
) -> None:
    make.event(
        connect(), owner["id"], event_type="conversion", revenue="75.50",
        campaign_id=campaign["id"], metadata={"sub1": "abc", "ip": "192.0.2.0"},
    )  # fmt: skip
    make.event(connect(), owner["id"], event_type="conversion", revenue="99", metadata={"bot": "x"})

    facts = _dry(run, SALE, "--json").json

    assert (facts["event"]["revenue"], facts["event"]["sub1"]) == ("75.50", "abc")
    assert "ip" not in facts["event"]
    assert facts["subjects"][0]["campaign"]["name"] == "Spring"


def test_an_event_of_ones_own_and_none_at_all(run: Run, owner: Made) -> None:
    mine = _dry(run, SALE, "--event", '{"revenue": "2000", "sub1": "x"}').out
    none = _dry(run, SALE).out

    assert "✗ event.revenue < 1000" in mine
    assert "event.revenue = 2000.0" in mine
    assert "No conversion is known to try it on" in none


def test_where_the_clocks_change_is_said(run: Run, connect: Connect, owner: Made) -> None:
    text = HOOK.replace(
        "{type: event, event: hook}",
        '{type: scheduled, cron: "30 2 * * *", timezone: Europe/Berlin,'
        " start: 2030-03-29T00:00:00, campaign: null}",
    )

    lines = [line.strip() for line in _dry(run, text).out.splitlines()]

    # Summer time begins on 31 March 2030 (the last Sunday, Directive 2000/84/EC): 02:30 is not.
    at = lines.index("here the clocks of Europe/Berlin go forward by 60 minutes")
    assert lines[at - 1] == "Sat 2030-03-30 02:30:00 Europe/Berlin (03-30 01:30:00 UTC)"
    assert lines[at + 1] == "Sun 2030-03-31 03:00:00 Europe/Berlin (03-31 01:00:00 UTC)"


def test_nothing_is_written(
    run: Run, connect: Connect, owner: Made, campaign: Made, tmp_path: Path
) -> None:
    file = tmp_path / "sale.yaml"
    file.write_text(SALE)
    added = run("workflows", "add", str(file), "--user", "ada@example.com", "--json").json
    _sold(connect, owner, "60.00")
    before = _everything(connect)

    for words in (
        (str(file), "--user", "ada@example.com"), (added["id"],), ("Tell", "--json"),
        ("Tell", "--campaign", "spring"),
    ):  # fmt: skip
        assert run("workflows", "dry-run", *words).code == 0

    assert _everything(connect) == before


def _everything(connect: Connect) -> dict[str, Any]:
    """What every table holds, and which transactions wrote it."""
    session = connect()
    tables = session.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    ).fetchall()
    return {
        name: session.execute(
            f'SELECT count(*), max(xmin::text::bigint), sum(xmin::text::bigint) FROM "{name}"'
        ).fetchone()
        for (name,) in tables
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nothing.yaml",), "cannot be read"),
        (("-",), "Say whose"),
        (("nobody",), "There is no workflow"),
        (("W", "--event", "["), "--event is no JSON"),
        (("W", "--campaign", "theirs"), "no campaign 'theirs'"),
        (("W", "--user", "eve@example.com"), "There is no workflow"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(
    run: Run, connect: Connect, owner: Made, words: tuple[str, ...], sentence: str
) -> None:
    make.user(connect(), email="eve@example.com")
    make.campaign(connect(), tracking_id="theirs")
    actions = Jsonb([{"record_note": {"text": "x"}}])
    make.workflow(connect(), owner["id"], name="W", actions=actions)

    said = run("workflows", "dry-run", *words, given=BLEEDS)

    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
