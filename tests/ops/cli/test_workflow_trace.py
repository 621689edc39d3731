"""`hopfleet workflows trace`: what a run did when, and why something was not done."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run
from workers.workflows.running import Runner

WALK = """\
name: Walk
trigger: {type: manual}
conditions: ['user.tier == "starter"']
actions:
  - record_note: {text: "hello {{ input.name }}"}
  - branch:
      if: 'input.size > 10'
      then: [{record_note: {text: big}}]
      else: [{name: small, record_note: {text: small}}]
  - {name: never, if: 'input.name == "eve"', record_note: {text: eve}}
  - {name: tell, http_request: {url: "https://example.com/", json: {a: 1}}}
  - {name: rest, wait: {hours: 1}}
"""


@pytest.fixture
def owner(connect: Connect) -> Made:
    return make.user(connect(), email="ada@example.com")


def _begin(run: Run, text: str, given: str = "{}") -> str:
    said = run("workflows", "add", "-", "--user", "ada@example.com", "--json", given=text)
    assert said.code == 0, said.err
    begun = run("workflows", "run", said.json["id"], "--input", given, "--json")
    Runner().work()
    return str(begun.json["run"])


def test_a_run_is_drawn_with_its_steps_and_what_is_to_come(run: Run, owner: Made) -> None:
    number = _begin(run, WALK, '{"name": "bob", "size": 3}')

    lines = run("workflows", "trace", number).out.splitlines()

    def line(name: str) -> str:
        return next(one for one in lines if one[1:].strip().startswith(name))

    assert f"Walk  run {number}  waits" in lines[0]
    assert "holds" in line("conditions")
    assert '{"note":' in line("1_record_note")
    assert "takes `else`" in line("2_branch")
    assert line("small").startswith("✓    small")
    assert 'skipped: does not hold: input.name == "eve"' in line("never")
    assert "█" in line("1_record_note")
    assert "owed, not tried yet" in line("tell")
    assert "to come" in line("rest")
    assert f"workflows cancel {number}" in lines[-1]


def test_why_not_shows_the_expression_and_the_values_it_saw(run: Run, owner: Made) -> None:
    number = _begin(run, WALK.replace('"starter"', '"agency"'))

    drawn = run("workflows", "trace", number).out
    listed = run("workflows", "runs", "Walk", "--json").json

    assert f"run {number}  not met" in drawn
    assert "why not: conditions" in drawn
    assert '✗ user.tier == "agency"' in drawn
    assert 'user.tier = "starter"' in drawn
    assert "not reached" in drawn
    assert [(one["state"], one["outcome"], one["steps"]) for one in listed] == [
        ("done", "not_met", [])
    ]


def test_steps_are_listed_by_name_in_their_order(run: Run, owner: Made) -> None:
    _begin(run, WALK, '{"name": "bob", "size": 30}')

    [listed] = run("workflows", "runs", "Walk", "--json").json

    assert [(one["name"], one["state"], one["attempt"]) for one in listed["steps"]] == [
        ("1_record_note", "done", 1), ("2_branch", "done", 1), ("2.then.1_record_note", "done", 1),
        ("never", "done", 1), ("tell", "running", 1),
    ]  # fmt: skip


def _failed(connect: Connect, run: Run, said: str) -> str:
    """A run whose call was tried three times and refused."""
    number = _begin(run, WALK, '{"name": "bob", "size": 3}')
    session = connect()
    session.execute(
        "UPDATE workflow_steps SET state = 'dead', outcome = 'failed', error = %s,"
        " ended_at = started_at + interval '10 s', attempt = 3 WHERE name = 'tell'",
        (said,),
    )
    session.execute(
        "UPDATE workflow_runs SET state = 'dead', outcome = 'failed', reason = %s,"
        " ended_at = started_at + interval '10 s'",
        (f"tell: {said}",),
    )
    row = session.execute("SELECT id, created_at FROM calls").fetchone()
    assert row is not None
    for attempt, status in enumerate((503, 503, 410), 1):
        make.insert(
            session, "call_attempts",
            {
                "call_id": row[0], "attempt": attempt, "status": status, "milliseconds": 1_500,
                "outcome": "refused", "said": said,
                "created_at": row[1] + timedelta(seconds=3 * attempt),
                "ended_at": row[1] + timedelta(seconds=3 * attempt + 1),
            },
        )  # fmt: skip
    return number


def test_a_failed_call_shows_its_tries_and_how_to_go_on(
    run: Run, connect: Connect, owner: Made
) -> None:
    number = _failed(connect, run, "the server said 410")

    drawn = run("workflows", "trace", number).out
    facts = run("workflows", "trace", number, "--json").json

    assert f"✗ Walk  run {number}  failed" in drawn
    assert "tries: tell" in drawn
    assert "410  in 1.5 s" in drawn
    assert "·█" in next(line for line in drawn.splitlines() if line.startswith("✗  tell"))
    assert f"workflows replay {number}" in drawn
    tell = next(step for step in facts["steps"] if step["name"] == "tell")
    assert [one["status"] for one in tell["tries"]] == [503, 503, 410]
    assert facts["not_reached"] == ["rest"]


def test_what_others_answer_moves_no_cursor(run: Run, connect: Connect, owner: Made) -> None:
    number = _failed(connect, run, "\x1b[2J\x1b]0;owned\x07 \x9b31m")

    said = run("workflows", "trace", number)
    listed = run("workflows", "runs", "Walk")

    assert said.code == 0
    for text in (said.out, listed.out):
        assert not {"\x1b", "\x07", "\x9b"} & set(text)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("missed", "nothing was running at that time"), ("skipped", "suspended")],
)
def test_a_time_that_did_not_run_says_why(
    run: Run, connect: Connect, owner: Made, outcome: str, reason: str
) -> None:
    workflow = make.workflow(connect(), owner["id"], name="W")
    made = make.insert(
        connect(), "workflow_runs",
        {
            "workflow_id": workflow["id"], "user_id": owner["id"], "version": 1,
            "trigger": "scheduled", "state": "done", "outcome": outcome, "reason": reason,
        },
    )  # fmt: skip

    drawn = run("workflows", "trace", str(made["id"])).out

    assert outcome in drawn
    assert reason in drawn


def test_runs_that_a_run_has_added_are_among_its_picture(
    run: Run, connect: Connect, owner: Made
) -> None:
    for _ in range(2):
        make.campaign(connect(), user_id=owner["id"])
    number = _begin(
        run,
        "name: Each\ntrigger: {type: manual}\n"
        "actions: [{record_note: {text: '{{ campaign.name }}'}}]\n",
    )

    drawn = run("workflows", "trace", number).out
    children = run("workflows", "trace", number, "--json").json["runs"]

    assert "runs it has added" in drawn
    assert len(children) == 2
    assert f"from run {number}" in run("workflows", "trace", children[0]["id"]).out


def test_a_run_is_followed_to_its_end(run: Run, connect: Connect, owner: Made) -> None:
    said = _followed(run, "actions: [{record_note: {text: hi}}]")
    failed = _followed(run, "actions: [{record_note: {text: '{{ input.missing }}'}}]")

    assert said.code == 0
    assert "1_record_note" in said.out
    assert failed.code == 1
    assert "`input.missing` is missing" in failed.out


def _followed(run: Run, actions: str) -> Any:
    run(
        *("workflows", "add", "-", "--user", "ada@example.com"),
        given=f"name: {actions.replace(':', '')!r}\ntrigger: {{type: manual}}\n{actions}\n",
    )
    runner = Runner()
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            runner.work()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        return run("workflows", "run", actions.replace(":", ""), "--wait")
    finally:
        over.set()
        worker.join()


def test_no_such_run_is_said_in_a_sentence(run: Run) -> None:
    for which in ("1", "x", "-1", "9" * 30, ""):
        said = run("workflows", "trace", "--", which)

        assert said.code == 2
        assert said.err.count("\n") == 1
