"""Runs of five steps while parts die: each ends, its database steps happen once, its key holds."""

import random
from collections import Counter
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.fleet import automation
from tests.fleet.fleet import STORES, Fleet
from tests.fleet.program import until
from tests.fleet.receiver import Receiver, receiver

VICTIMS = ("upkeep", "scheduler", "broker", "postgres")
_OWNERS = 10


def _steps(url: str) -> list[Any]:
    return [
        automation.note("begin {{ run.id }}"),
        {"create_content": {"type": "post", "title": "{{ run.id }}", "body": "A post."}},
        {
            "http_request": {"url": url, "json": {"run": "{{ run.id }}"}, "on_unknown": "retry"},
            "retry": {"attempts": 20, "seconds": 0.5},
        },
        {"wait": {"seconds": 1}},
        automation.note("end {{ run.id }}"),
    ]


@pytest.mark.parametrize(
    ("count", "rounds"),
    [
        pytest.param(300, 1, marks=pytest.mark.timeout(180)),
        pytest.param(10_000, 20, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_every_run_ends_and_no_step_happens_twice(fleet: Fleet, count: int, rounds: int) -> None:
    dice = random.Random(count)
    with receiver() as server, automation.allowed(fleet, server.url):
        flows = [
            automation.workflow(fleet, owner, _steps(server.url))
            for owner in [fleet.user() for _ in range(_OWNERS)]
        ]
        for _ in range(rounds):
            for flow in flows:
                automation.start(fleet, flow, count // rounds // _OWNERS)
            for victim in dice.sample(VICTIMS, len(VICTIMS)):
                _strike(fleet, server, flows, victim, dice)
        server.misbehaves = False
        until(lambda: _left(fleet, flows) == 0, 60 + count / 20, "every run has ended")

    _judge(fleet, server, flows, count)


def _strike(
    fleet: Fleet, server: Receiver, flows: list[UUID], victim: str, dice: random.Random
) -> None:
    """Kill it in the middle of things, start it again, and let the leases of the dead run out."""
    wanted = len(server.calls) + dice.randrange(1, 40)
    until(lambda: len(server.calls) >= wanted or not _left(fleet, flows), 60, "work goes on")
    fleet.kill(victim)
    fleet.start(victim)
    if victim in STORES:
        fleet.until_ready()
    if victim in ("upkeep", "postgres"):
        for table in ("workflow_runs", "calls"):
            fleet.sql(f"UPDATE {table} SET lease_until = now() WHERE state = 'running'")


def _left(fleet: Fleet, flows: list[UUID]) -> int:
    try:
        rows = fleet.sql(
            "SELECT count(*) FROM workflow_runs WHERE workflow_id = ANY(%s) AND ended_at IS NULL",
            flows,
        )
    except psycopg.OperationalError:
        return -1
    return int(rows[0][0])


def _judge(fleet: Fleet, server: Receiver, flows: list[UUID], count: int) -> None:
    outcomes = Counter(
        fleet.sql(
            "SELECT state, outcome, reason FROM workflow_runs WHERE workflow_id = ANY(%s)", flows
        )
    )
    runs = {
        str(row[0])
        for row in fleet.sql("SELECT id FROM workflow_runs WHERE workflow_id = ANY(%s)", flows)
    }
    notes = Counter(text for flow in flows for text in automation.notes(fleet, flow))
    content = Counter(
        row[0]
        for row in fleet.sql(
            "SELECT title FROM content WHERE user_id IN"
            " (SELECT user_id FROM workflows WHERE id = ANY(%s))", flows,
        )
    )  # fmt: skip
    steps = Counter(
        fleet.sql(
            "SELECT s.action, s.state, s.outcome FROM workflow_steps s"
            " JOIN workflow_runs r ON r.id = s.run_id WHERE r.workflow_id = ANY(%s)", flows,
        )
    )  # fmt: skip
    keys = {
        str(run): key
        for run, key in fleet.sql(
            "SELECT s.run_id, s.key FROM workflow_steps s JOIN workflow_runs r ON r.id = s.run_id"
            " WHERE r.workflow_id = ANY(%s) AND s.action = 'http_request'", flows,
        )
    }  # fmt: skip

    assert outcomes == {("done", "succeeded", None): count}
    assert notes == Counter(f"{word} {run}" for word in ("begin", "end") for run in runs)
    assert content == Counter(runs)
    assert steps == {
        (action, "done", "succeeded"): count * (2 if action == "record_note" else 1)
        for action in ("record_note", "create_content", "http_request", "wait")
    }
    assert server.keys == {run: {keys[run]} for run in runs}
    assert server.effects == {keys[run]: run for run in runs}
