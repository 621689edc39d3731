"""`hopfleet workflows replay`: taken up where it failed, or made once more from a step on."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run

STEPS = [
    {"record_note": {"text": "one"}},
    {"name": "tell", "http_request": {"url": "https://example.com/"}},
    {"record_note": {"text": "three"}},
]


@pytest.fixture
def workflow(connect: Connect) -> Made:
    owner = make.user(connect(), email="ada@example.com")
    return make.workflow(connect(), owner["id"], name="W", actions=Jsonb(STEPS))


def _made(connect: Connect, workflow: Made, state: str, outcome: str, **columns: Any) -> int:
    """A run that has ended, whose first step is done and whose second is dead."""
    usual = {
        "workflow_id": workflow["id"], "user_id": workflow["user_id"], "version": 1,
        "trigger": "manual", "cause": columns.pop("cause", "x"), "state": state, "ready": False,
        "outcome": outcome, "reason": "tell: 500", "input": {"input": {"a": 1}},
    }  # fmt: skip
    run = make.insert(connect(), "workflow_runs", usual | columns)
    connect().execute("UPDATE workflow_runs SET ended_at = now() WHERE id = %s", (run["id"],))
    for path, name, action, stands, key in (
        ("0", "conditions", "conditions", "done", "k0"),
        ("1", "1_record_note", "record_note", "done", "k1"),
        ("2", "tell", "http_request", "dead", "k2"),
    ):
        make.insert(
            connect(), "workflow_steps",
            {
                "run_id": run["id"], "path": path, "name": name, "action": action,
                "state": stands, "outcome": "succeeded" if stands == "done" else "failed",
                "key": key, "output": {"note": 7} if path == "1" else None,
            },
        )  # fmt: skip
    return int(run["id"])


def _steps(connect: Connect, run: str | int) -> list[Any]:
    rows = connect().execute(
        "SELECT path, state, key, output FROM workflow_steps WHERE run_id = %s ORDER BY path",
        (int(run),),
    )
    return rows.fetchall()


def test_a_failed_run_is_taken_up_where_it_failed(
    run: Run, connect: Connect, workflow: Made
) -> None:
    number = _made(connect, workflow, "dead", "failed")

    said = run("workflows", "replay", str(number), "--json")

    assert said.json == {"run": str(number)}
    row = connect().execute("SELECT state, outcome, ready, ended_at FROM workflow_runs").fetchone()
    assert row == ("pending", "failed", True, None)
    assert [step[2] for step in _steps(connect, number)] == ["k0", "k1", "k2"]


def test_from_a_step_on_a_new_run_takes_over_what_was_before(
    run: Run, connect: Connect, workflow: Made
) -> None:
    number = _made(connect, workflow, "dead", "failed")

    by_number = run("workflows", "replay", str(number), "--from-step", "2", "--json").json["run"]
    by_name = run("workflows", "replay", str(number), "--from-step", "tell", "--json").json["run"]

    for made in (by_number, by_name):
        assert _steps(connect, made) == [
            ("0", "done", "k0", None), ("1", "done", "k1", {"note": 7}),
            ("2", "pending", "k2", None),
        ]  # fmt: skip
    row = connect().execute(
        "SELECT trigger, parent_id, input, version, state FROM workflow_runs WHERE id = %s",
        (int(by_number),),
    )
    assert row.fetchone() == ("replay", number, {"input": {"a": 1}}, 1, "pending")


def test_a_run_that_ended_well_begins_anew_with_keys_of_its_own(
    run: Run, connect: Connect, workflow: Made
) -> None:
    number = _made(connect, workflow, "done", "succeeded")
    connect().execute("UPDATE workflow_steps SET state = 'done'")

    made = run("workflows", "replay", str(number), "--json").json["run"]

    assert made != str(number)
    assert _steps(connect, made) == []


def test_all_that_failed_are_replayed_of_a_workflow_since_a_time(
    run: Run, connect: Connect, workflow: Made
) -> None:
    other = make.workflow(connect(), workflow["user_id"], name="Other", actions=Jsonb(STEPS))
    mine = [_made(connect, workflow, "dead", "failed", cause=str(one)) for one in range(3)]
    connect().execute(
        "UPDATE workflow_runs SET due_at = now() - interval '3 h' WHERE id = %s", (mine[0],)
    )
    _made(connect, other, "dead", "failed")
    _made(connect, workflow, "done", "succeeded", cause="well")

    said = run("workflows", "replay", "--failed", "--since", "2h", "--workflow", "W", "--json")
    rest = run("workflows", "replay", "--failed", "--user", "ada@example.com", "--json")

    assert said.json == {"replayed": 2}
    assert rest.json == {"replayed": 2}
    states = connect().execute("SELECT state, count(*) FROM workflow_runs GROUP BY 1 ORDER BY 1")
    assert states.fetchall() == [("done", 1), ("pending", 4)]


def test_wrong_use_is_said_in_a_sentence(run: Run, connect: Connect, workflow: Made) -> None:
    number = str(_made(connect, workflow, "dead", "failed"))

    for words, sentence in (
        ((), "Name a run"),
        ((number, "--failed"), "Name a run"),
        ((number, "--since", "2h"), "go with --failed"),
        (("--failed",), "Say which"),
        (("--failed", "--since", "2h", "--from-step", "1"), "--from-step"),
        ((number, "--from-step", "9"), "is no step"),
        ((number, "--from-step", "0"), "is no step"),
        (("999999",), "There is no run"),
    ):
        said = run("workflows", "replay", *words)

        assert said.code == 2
        assert sentence in said.err
    run("workflows", "replay", number)
    assert "has not ended" in run("workflows", "replay", number).err
