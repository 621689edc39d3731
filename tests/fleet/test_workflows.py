"""Workflows on a running fleet, written, edited and paused by whoever has the database."""

import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import automation
from tests.fleet.automation import FIRED_SECONDS, PLANNED_SECONDS, every_second, note
from tests.fleet.clocks import clock_off
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.receiver import receiver

_HOUR = timedelta(hours=1)


def test_a_workflow_written_edited_and_paused_by_sql_is_obeyed(fleet: Fleet) -> None:
    owner = fleet.user()
    slow = [note("one"), {"wait": {"seconds": 2}}, note("one again")]
    flow = automation.workflow(fleet, owner, slow, {"every_hours": 1, "overlap": "allow"})
    until(lambda: automation.row(fleet, flow)[1], PLANNED_SECONDS, "it has a next time")

    fleet.sql("UPDATE workflows SET next_run_at = now() WHERE id = %s", flow)
    until(lambda: automation.notes(fleet, flow) == ["one"], FIRED_SECONDS, "it was fired by hand")
    fleet.sql("UPDATE workflows SET actions = %s WHERE id = %s", Jsonb([note("two")]), flow)
    fleet.sql("UPDATE workflows SET next_run_at = now() WHERE id = %s", flow)
    until(lambda: len(automation.notes(fleet, flow)) == 3, FIRED_SECONDS, "both are over")

    first, second = automation.runs(fleet, flow)
    assert (first.version, second.version) == (1, 2)
    assert sorted(automation.notes(fleet, flow)) == ["one", "one again", "two"]
    status, following, version, problem = automation.row(fleet, flow)
    assert (status, version, problem) == ("active", 2, None)
    assert following is not None
    assert following > second.due_at


def test_a_paused_workflow_has_no_next_time_and_no_run(fleet: Fleet) -> None:
    owner = fleet.user()
    flow = automation.workflow(fleet, owner, [note("here")], every_second())
    other = automation.workflow(fleet, owner, [note("here")], every_second())
    until(lambda: automation.notes(fleet, flow), FIRED_SECONDS, "it fires")

    fleet.sql("UPDATE workflows SET status = 'paused' WHERE id = %s", flow)
    before = len(automation.runs(fleet, flow))
    seen = len(automation.notes(fleet, other))
    until(lambda: len(automation.notes(fleet, other)) > seen + 2, FIRED_SECONDS, "another fires")
    fleet.sql("UPDATE workflows SET status = 'paused' WHERE id = %s", other)

    assert automation.row(fleet, flow)[:2] == ("paused", None)
    assert len(automation.runs(fleet, flow)) == before


def test_a_definition_nobody_can_carry_out_is_paused_and_says_why(fleet: Fleet) -> None:
    owner = fleet.user()
    odd: list[Any] = [
        automation.workflow(fleet, owner, [{"record_nte": {"text": "x"}}], every_second()),
        automation.workflow(fleet, owner, [note("x")], {"cron": "0 0 30 2 *"}),
        automation.workflow(fleet, owner, [note("x")], {"cron": "* * * * *", "every_days": 1}),
    ]

    until(
        lambda: all(automation.row(fleet, each)[0] == "paused" for each in odd),
        PLANNED_SECONDS, "each is paused",
    )  # fmt: skip

    said = [automation.row(fleet, each)[3] or "" for each in odd]
    assert "record_note" in said[0]
    assert all(said)
    assert [automation.runs(fleet, each) for each in odd] == [[], [], []]


@pytest.mark.parametrize(
    ("off_seconds", "times"),
    [(120, 4), pytest.param(-120, 4, marks=pytest.mark.long),
     pytest.param(120, 25, marks=pytest.mark.long)],
)  # fmt: skip
def test_a_scheduler_whose_clock_is_off_fires_none_twice_and_misses_none(
    fleet: Fleet, off_seconds: int, times: int
) -> None:
    owner = fleet.user()
    wrong = clock_off(fleet.folder, off_seconds)
    with fleet.joined_by(second=("scheduler",), environment=wrong):
        flows = [
            automation.workflow(fleet, owner, [note("here")], every_second()) for _ in range(20)
        ]

        def fired(least: int) -> bool:
            return all(len(automation.notes(fleet, flow)) >= least for flow in flows)

        until(lambda: fired(times), times + FIRED_SECONDS, "both schedulers fire")
        fleet.kill("scheduler")
        until(lambda: fired(times + 3), FIRED_SECONDS, "the wrong one fires alone")
        fleet.start("scheduler")
        until(lambda: fired(times + 5), FIRED_SECONDS, "both fire again")
    fleet.sql("UPDATE workflows SET status = 'paused' WHERE id = ANY(%s)", flows)

    for flow in flows:
        found = automation.runs(fleet, flow)
        steps = {late.due_at - early.due_at for early, late in pairwise(found)}
        assert steps == {timedelta(seconds=1)}
        assert {run.outcome for run in found} <= {"succeeded", None}


def test_a_suspended_users_runs_are_skipped_until_reactivation(fleet: Fleet) -> None:
    owner = fleet.user()
    flow = automation.workflow(fleet, owner, [note("here")], every_second())
    until(lambda: automation.notes(fleet, flow), FIRED_SECONDS, "it fires")

    fleet.sql("UPDATE users SET status = 'suspended' WHERE id = %s", owner["id"])
    until(lambda: _skipped(fleet, flow), FIRED_SECONDS, "a run is skipped")
    fleet.sql("UPDATE users SET status = 'active' WHERE id = %s", owner["id"])
    last = _skipped(fleet, flow)[-1]
    until(
        lambda: [run for run in automation.runs(fleet, flow)
                 if run.outcome == "succeeded" and run.due_at > last.due_at],
        FIRED_SECONDS, "it fires again",
    )  # fmt: skip
    fleet.sql("UPDATE workflows SET status = 'paused' WHERE id = %s", flow)

    assert {run.reason for run in _skipped(fleet, flow)} == {"suspended"}
    found = automation.runs(fleet, flow)
    steps = {late.due_at - early.due_at for early, late in pairwise(found)}
    assert steps == {timedelta(seconds=1)}


def _skipped(fleet: Fleet, flow: Any) -> list[automation.Run]:
    return [run for run in automation.runs(fleet, flow) if run.outcome == "skipped"]


def test_times_missed_while_no_scheduler_ran_are_caught_up_as_the_trigger_says(
    fleet: Fleet,
) -> None:
    owner = fleet.user()
    fleet.kill("scheduler")
    ((late,),) = fleet.sql("SELECT now() - interval '330 minutes'")
    flows = {
        catch_up: automation.workflow(
            fleet, owner, [note("here")],
            {"every_hours": 1, "overlap": "allow", "catch_up": catch_up}, next_run_at=late,
        )
        for catch_up in ("skip", "once", "all")
    }  # fmt: skip
    fleet.start("scheduler")
    until(
        lambda: all(len(automation.runs(fleet, flow)) >= 6 for flow in flows.values())
        and len(automation.notes(fleet, flows["all"])) == 6,
        FIRED_SECONDS, "all are caught up",
    )  # fmt: skip

    for flow in flows.values():
        assert [run.due_at for run in automation.runs(fleet, flow)] == [
            late + number * _HOUR for number in range(6)
        ]
        assert automation.row(fleet, flow)[1] == late + 6 * _HOUR
    outcomes = {
        name: [run.outcome for run in automation.runs(fleet, flow)] for name, flow in flows.items()
    }
    assert outcomes == {
        "skip": ["missed"] * 6, "once": ["missed"] * 5 + ["succeeded"], "all": ["succeeded"] * 6,
    }  # fmt: skip


def test_a_cancelled_run_ends_wherever_it_waits(fleet: Fleet) -> None:
    owner = fleet.user()
    flow = automation.workflow(fleet, owner, [note("one"), {"wait": {"days": 1}}, note("never")])
    (run,) = automation.start(fleet, flow)
    until(lambda: automation.notes(fleet, flow) == ["one"], FIRED_SECONDS, "it has begun")

    fleet.hopfleet("workflows", "cancel", str(run))
    until(lambda: automation.ended(fleet, run) == "cancelled", FIRED_SECONDS, "it has ended")

    assert automation.notes(fleet, flow) == ["one"]


@pytest.mark.timeout(240)
def test_a_slow_host_holds_up_no_other_and_the_journal_tells_all(fleet: Fleet) -> None:
    with receiver() as server, automation.allowed(fleet, server.url):
        server.misbehaves = False
        slow = f"{server.url.replace('127.0.0.1', 'localhost')}slow/"
        body = {"json": {"run": "{{ run.id }}"}}
        ask = {"name": "ask", "http_request": {"url": server.url, **body}}
        crowd = automation.workflow(
            fleet, fleet.user(), [{"http_request": {"url": slow, **body, "timeout_seconds": 60}}]
        )
        flow = automation.workflow(
            fleet, fleet.user(),
            [
                note("begun"), ask,
                {"branch": {"if": ["steps.ask.status == 200"], "then": [note("it took it")]}},
                {"for_each": {"items": ["a", "b"], "do": [note("item {{ item }}")]}},
                {"if": ["1 == 2"], **note("never")},
            ],
        )  # fmt: skip
        waiting = automation.start(fleet, crowd, 100)
        until(lambda: server.heads, FIRED_SECONDS, "the slow host is asked")

        (run,) = automation.start(fleet, flow)
        until(lambda: automation.ended(fleet, run), FIRED_SECONDS, "another's run is over")
        over = [number for number in waiting if automation.ended(fleet, number)]
        server.released.set()
        until(
            lambda: all(automation.ended(fleet, number) == "succeeded" for number in waiting),
            60, "the slow ones are over",
        )  # fmt: skip
        journal = json.loads(fleet.hopfleet("workflows", "trace", str(run), "--json"))
        drawn = fleet.hopfleet("workflows", "trace", str(run))

    assert over == []
    assert automation.notes(fleet, flow) == ["begun", "it took it", "item a", "item b"]
    steps = {step["name"]: step for step in journal["steps"]}
    assert {name: step["outcome"] for name, step in steps.items()} == {
        "1_record_note": "succeeded", "ask": "succeeded", "3_branch": "succeeded",
        "3.then.1_record_note": "succeeded", "4_for_each": "succeeded",
        "4.for.1.1_record_note": "succeeded", "4.for.2.1_record_note": "succeeded",
        "5_record_note": "skipped",
    }  # fmt: skip
    assert all(name in drawn for name in steps)
    assert "1 == 2" in drawn
    assert set(server.calls.values()) == {1}
