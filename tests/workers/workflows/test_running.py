"""Running: from a row that anybody wrote to what its steps did."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from psycopg.types.json import Jsonb

import scheduler
from base.sealing import unseal
from base.settings import settings
from db import run_work
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from workers.workflows.running import Runner

NOTE: dict[str, Any] = {"record_note": {"text": "hello {{ user.email }}"}}


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


def write(session: Tx, actions: list[Any], **columns: Any) -> UUID:
    """A workflow by plain SQL, on, and its id."""
    user = columns.pop("user_id", None) or make.user(session)["id"]
    usual = {"status": "active", "trigger_type": "manual", "trigger_config": Jsonb({})}
    found: UUID = make.workflow(session, user, **{**usual, **columns, "actions": Jsonb(actions)})[
        "id"
    ]
    return found


def fire(session: Tx, workflow: UUID, **columns: Any) -> int:
    """A run that is due."""
    row = session.execute(
        "SELECT w.user_id, s.version FROM workflows w JOIN workflow_states s"
        " ON s.workflow_id = w.id WHERE w.id = %s",
        (workflow,),
    ).fetchone()
    assert row is not None
    usual = {"workflow_id": workflow, "user_id": row[0], "version": row[1], "trigger": "manual"}
    found: int = make.insert(session, "workflow_runs", usual | columns)["id"]
    return found


def tick(session: Tx) -> int:
    with session.transaction():
        return scheduler.tick(session)


def work(session: Tx) -> None:
    """All that can be done now."""
    runner = Runner()
    while runner.work():
        pass
    with session.transaction():
        run_work.promote(session, 100)


def state(session: Tx, run: int) -> tuple[Any, ...] | None:
    return session.execute(
        "SELECT state, outcome, reason FROM workflow_runs WHERE id = %s", (run,)
    ).fetchone()


def steps(session: Tx, run: int) -> list[tuple[Any, ...]]:
    return session.execute(
        "SELECT name, state, attempt FROM workflow_steps WHERE run_id = %s ORDER BY path", (run,)
    ).fetchall()


def notes(session: Tx) -> list[str]:
    return [row[0] for row in session.execute("SELECT text FROM workflow_notes ORDER BY id")]


def test_a_due_workflow_runs_once_and_gets_its_next_time(session: Tx) -> None:
    workflow = write(
        session, [NOTE], trigger_type="scheduled",
        trigger_config=Jsonb({"cron": "0 9 * * *", "timezone": "Europe/Berlin"}),
    )  # fmt: skip
    tick(session)
    planned = session.execute("SELECT next_run_at FROM workflows").fetchone()
    session.execute("UPDATE workflows SET next_run_at = now() - interval '1 second'")

    fired = [tick(session), tick(session)]
    work(session)

    assert planned is not None
    assert planned[0] is not None
    assert fired == [1, 0]
    assert session.execute("SELECT next_run_at FROM workflows").fetchone() == planned
    assert session.execute("SELECT workflow_id, state, outcome FROM workflow_runs").fetchall() == [
        (workflow, "done", "succeeded")
    ]
    assert len(notes(session)) == 1


def test_the_example_pauses_the_campaign_that_bleeds_and_tells_which_condition_failed(
    session: Tx,
) -> None:
    campaign = make.campaign(session, status="active", name="C1")
    other = make.campaign(session, user_id=campaign["user_id"], status="active")
    for event, revenue in (("click", 0), ("conversion", 10), ("refund", -10)):
        make.event(
            session, campaign["user_id"], campaign_id=campaign["id"], event_type=event,
            revenue=revenue,
        )  # fmt: skip
    workflow = write(
        session,
        [
            {"set_campaign_status": {"campaign": "{{ campaign.id }}", "status": "paused"}},
            {"record_note": {"text": "paused {{ campaign.name }}"}},
        ],
        user_id=campaign["user_id"],
        conditions=Jsonb(['campaign.status == "active"', "stats.day.refund_rate > 0.2"]),
    )
    run = fire(session, workflow)

    work(session)

    assert state(session, run) == ("done", "succeeded", "one run for each of 2 campaigns")
    ended = session.execute(
        "SELECT campaign_id, outcome, reason FROM workflow_runs WHERE parent_id = %s ORDER BY id",
        (run,),
    ).fetchall()
    assert {row[0]: row[1] for row in ended} == {
        campaign["id"]: "succeeded", other["id"]: "not_met",
    }  # fmt: skip
    assert notes(session) == ["paused C1"]
    found = session.execute("SELECT id, status FROM campaigns").fetchall()
    assert dict(found) == {campaign["id"]: "paused", other["id"]: "active"}


def test_with_one_campaign_the_run_itself_is_about_it(session: Tx) -> None:
    campaign = make.campaign(session, status="active", name="C1")
    workflow = write(
        session, [{"set_campaign_status": {"status": "paused"}}], user_id=campaign["user_id"]
    )
    run = fire(session, workflow)

    work(session)

    assert steps(session, run) == [("1_set_campaign_status", "done", 1)]
    assert session.execute("SELECT status FROM campaigns").fetchone() == ("paused",)


def test_a_step_that_postgresql_refuses_fails_its_run_and_no_neighbour(session: Tx) -> None:
    session.execute("ALTER TABLE workflow_notes ADD CONSTRAINT no_bombs CHECK (text <> 'bomb')")
    try:
        bomb = fire(session, write(session, [NOTE, {"record_note": {"text": "bomb"}}]))
        good = [fire(session, write(session, [NOTE])) for _ in range(3)]

        work(session)
    finally:
        session.execute("ALTER TABLE workflow_notes DROP CONSTRAINT no_bombs")

    assert [state(session, run) for run in good] == [("done", "succeeded", None)] * 3
    found = state(session, bomb)
    assert found is not None
    assert found[:2] == ("dead", "failed")
    assert "no_bombs" in found[2]
    assert len(notes(session)) == 3  # what the bomb's first step wrote went with it


def test_a_dead_run_is_taken_up_at_its_failed_step(session: Tx) -> None:
    workflow = write(session, [NOTE, {"run_workflow": {"workflow": "later"}}, NOTE])
    run = fire(session, workflow)
    work(session)
    failed = state(session, run)
    user = session.execute("SELECT user_id FROM workflows").fetchone()
    assert user is not None
    write(session, [NOTE], user_id=user[0], name="later")

    session.execute("UPDATE workflow_runs SET state = 'pending', reason = NULL")
    work(session)

    assert failed == ("dead", "failed", "2_run_workflow: there is no workflow later")
    assert state(session, run) == ("done", "succeeded", None)
    assert steps(session, run) == [
        ("1_record_note", "done", 1), ("2_run_workflow", "done", 2), ("3_record_note", "done", 1),
    ]  # fmt: skip
    assert len(notes(session)) == 3


def test_branches_loops_and_errors_take_their_ways(session: Tx) -> None:
    run = fire(
        session,
        write(
            session,
            [
                {
                    "branch": {
                        "if": ["input.n > 1"],
                        "then": [NOTE],
                        "else": [{"sync_products": {}}],
                    }
                },
                {
                    "for_each": {
                        "items": "{{ input.names }}",
                        "do": [{"record_note": {"text": "to {{ item }}"}, "if": ['item != "b"']}],
                    }
                },
                {
                    "name": "gone",
                    "publish_content": {"content": "nothing"},
                    "on_error": [{"record_note": {"text": "{{ steps.gone.error }}"}}],
                },
            ],
        ),
        input=Jsonb({"input": {"n": 2, "names": ["a", "b", "c"]}}),
    )

    work(session)

    assert state(session, run) == ("done", "succeeded", None)
    assert notes(session)[1:] == ["to a", "to c", "gone: there is no content nothing"]
    assert [row[0] for row in steps(session, run)] == [
        "1_branch", "1.then.1_record_note", "2_for_each", "2.for.1.1_record_note",
        "2.for.2.1_record_note", "2.for.3.1_record_note", "gone", "3.on_error.1_record_note",
    ]  # fmt: skip


def test_a_run_waits_and_goes_on_behind_what_is_done(session: Tx) -> None:
    run = fire(session, write(session, [NOTE, {"wait": {"hours": 1}}, NOTE]))
    work(session)
    waiting = session.execute("SELECT state, ready FROM workflow_runs").fetchone()

    session.execute(
        "UPDATE workflow_steps SET input = jsonb_set(input, '{until}',"
        " to_jsonb(now() - interval '1 s')) WHERE action = 'wait'"
    )
    session.execute("UPDATE workflow_runs SET next_attempt_at = now()")
    work(session)
    work(session)

    assert waiting == ("pending", False)
    assert state(session, run) == ("done", "succeeded", None)
    assert len(notes(session)) == 2


def test_a_suspended_owner_s_runs_are_recorded_as_skipped_and_resume(session: Tx) -> None:
    workflow = write(
        session, [NOTE], trigger_type="scheduled", trigger_config=Jsonb({"every_hours": 1})
    )
    tick(session)
    session.execute("UPDATE users SET status = 'suspended'")
    session.execute("UPDATE workflows SET next_run_at = now()")
    tick(session)
    skipped = session.execute("SELECT state, outcome, reason FROM workflow_runs").fetchall()

    session.execute("UPDATE users SET status = 'active'")
    session.execute("UPDATE workflows SET next_run_at = now()")
    tick(session)
    work(session)

    assert skipped == [("done", "skipped", "suspended")]
    assert notes(session) != []
    assert session.execute(
        "SELECT status FROM workflows WHERE id = %s", (workflow,)
    ).fetchone() == ("active",)


def test_what_is_wrong_with_a_row_pauses_it_and_is_kept(session: Tx) -> None:
    write(session, [NOTE], trigger_type="scheduled", trigger_config=Jsonb({"cron": "0 0 30 2 *"}))
    write(session, [{"nonsense": 1}])
    write(session, [NOTE], trigger_type="scheduled", trigger_config=Jsonb(7))
    good = write(session, [NOTE], trigger_type="scheduled", trigger_config=Jsonb({"every_days": 1}))

    tick(session)

    found = session.execute(
        "SELECT w.id, w.status, w.next_run_at IS NULL, s.problem FROM workflows w"
        " JOIN workflow_states s ON s.workflow_id = w.id"
    ).fetchall()
    assert {row[0]: row[1:3] for row in found if row[0] == good} == {good: ("active", False)}
    rest = [row for row in found if row[0] != good]
    assert [row[1:3] for row in rest] == [("paused", True)] * 3
    assert all(row[3] for row in rest)


def test_what_steps_keep_is_bounded_together(session: Tx) -> None:
    again = {"for_each": {"items": list(range(99)), "do": [
        {"record_note": {"text": "{{ input.text }}"}}]}}  # fmt: skip
    run = fire(session, write(session, [again]), input=Jsonb({"input": {"text": "x" * 200_000}}))

    work(session)

    assert state(session, run) == (
        "dead", "failed", "budget: its steps take and give more than 8 MB",
    )  # fmt: skip


def test_loops_and_budgets_end(session: Tx) -> None:
    again = write(session, [{"run_workflow": {"workflow": "again"}}], name="again")
    run = fire(session, again)
    many = fire(
        session,
        write(
            session,
            [{"for_each": {"items": list(range(100)), "do": [{"for_each": {
                "items": list(range(100)), "do": [NOTE]}}]}}],
        ),
    )  # fmt: skip

    work(session)

    assert state(session, run) == ("done", "succeeded", None)
    depths = session.execute(
        "SELECT max(depth), count(*), max(reason) FROM workflow_runs WHERE workflow_id = %s",
        (again,),
    ).fetchone()
    assert depths is not None
    assert depths[:2] == (8, 9)
    assert "loop" in depths[2]
    assert state(session, many) == ("dead", "failed", "budget: more than 1000 steps")


def test_conditions_compare_an_events_amounts_as_numbers(session: Tx) -> None:
    workflow = write(
        session,
        [{"record_note": {"text": "{{ event.revenue }} of {{ events[0].revenue }}"}}],
        conditions=Jsonb(["event.revenue > 9.5", "events.all(e, e.revenue < 100.0)"]),
    )
    event = {"type": "conversion", "revenue": "10.00"}
    fire(session, workflow, input={"event": event, "events": [event], "number": 1})

    work(session)

    assert notes(session) == ["10.00 of 10.00"]


def test_a_request_says_how_deep_its_run_is_whatever_its_author_says(session: Tx) -> None:
    step = {"url": "https://example.com/hooks/k", "headers": {"hopfleet-depth": "0", "X-A": "b"}}
    run = fire(session, write(session, [{"http_request": step}]), depth=3)

    work(session)

    row = session.execute("SELECT request FROM calls WHERE run_id = %s", (run,)).fetchone()
    assert row is not None
    headers = orjson.loads(unseal(row[0], settings()))["headers"]
    assert headers == {"X-A": "b", "Hopfleet-Depth": "3"}
