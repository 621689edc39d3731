"""Going on: runs that are replayed, cancelled or told, just when something else happens to them."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from db import replays, run_rows, run_work
from db.connection import Tx
from db.run_work import Turn
from tests import make
from tests.conftest import Connect
from tests.workers.workflows.listening import fact, matched
from tests.workers.workflows.test_running import NOTE, fire, notes, state, steps, tick, work, write

FAILS: dict[str, Any] = {"publish_content": {"content": "{{ campaign.id }}"}}
PAUSES: dict[str, Any] = {"set_campaign_status": {"status": "paused"}}


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


def cancel(session: Tx, run: int) -> None:
    with session.transaction():
        assert run_rows.cancel(session, run)


def test_a_campaign_that_goes_before_its_run_is_not_replaced_by_all_others(session: Tx) -> None:
    user = make.user(session)["id"]
    gone, *others = (make.campaign(session, user_id=user)["id"] for _ in range(3))
    workflow = write(session, [{"record_note": {"text": "{{ campaign.id }}"}}], user_id=user)
    tick(session)
    fire(session, workflow, campaign_id=gone)
    session.execute("DELETE FROM campaigns WHERE id = %s", (gone,))
    fire(session, workflow, campaign_id=others[0], cause="another")

    work(session)

    assert notes(session) == [str(others[0])]
    assert session.execute(
        "SELECT outcome, reason FROM workflow_runs ORDER BY id LIMIT 1"
    ).fetchone() == ("skipped", "its campaign was deleted")


def test_an_event_of_an_unknown_campaign_is_not_taken_for_one_of_all(session: Tx) -> None:
    user = make.user(session)["id"]
    for _ in range(3):
        make.campaign(session, user_id=user)
    trigger = Jsonb({"event": "refund"})
    write(session, [PAUSES], user_id=user, trigger_type="event", trigger_config=trigger)
    tick(session)
    fact(session, user, "refund")
    matched()

    work(session)

    assert session.execute("SELECT DISTINCT status FROM campaigns").fetchall() == [("active",)]


def test_making_a_run_for_each_campaign_is_no_success_of_its_workflow(session: Tx) -> None:
    user = make.user(session)["id"]
    for _ in range(2):
        make.campaign(session, user_id=user)
    bound = Jsonb({"settings": {"pause_after_failures": 3}})
    workflow = write(session, [FAILS], user_id=user, trigger_config=bound)

    for cause in ("first", "second"):
        fire(session, workflow, cause=cause)
        work(session)

    assert session.execute("SELECT status FROM workflows").fetchone() == ("paused",)


def test_a_replay_that_has_to_wait_is_still_a_replay(session: Tx) -> None:
    user = make.user(session)["id"]
    run = fire(session, write(session, [NOTE, {"publish_content": {"content": "x"}}], user_id=user))
    work(session)
    session.execute("UPDATE users SET status = 'suspended'")
    with session.transaction():
        replays.take_up(session, [run])
    work(session)
    session.execute("UPDATE users SET status = 'active'")
    session.execute("UPDATE workflow_runs SET next_attempt_at = now()")

    work(session)
    work(session)

    assert steps(session, run) == [("1_record_note", "done", 1), ("2_publish_content", "dead", 2)]


def test_a_run_that_is_cancelled_when_it_was_just_claimed_ends(session: Tx) -> None:
    user = make.user(session)["id"]
    run = fire(session, write(session, [{"wait": {"days": 7}}], user_id=user))
    with session.transaction():
        [claimed] = run_work.claim(session, [user], 1, 8.0)
    cancel(session, run)
    with session.transaction():
        run_work.keep(session, [(run, claimed.attempts)])
        run_work.put_turns(session, [Turn(run, "pending")])  # it did not know

    work(session)

    assert state(session, run) == ("done", "cancelled", "somebody cancelled it")


def test_a_replay_takes_over_the_call_that_the_cancelled_run_left(session: Tx) -> None:
    run = fire(session, write(session, [{"http_request": {"url": "https://example.com/"}}]))
    work(session)
    cancel(session, run)
    work(session)
    with session.transaction():
        found = run_rows.find(session, run)
        assert found is not None
        made = replays.begin_anew(session, found, 1)

    work(session)

    assert session.execute("SELECT run_id, state FROM calls").fetchall() == [(made, "pending")]


def test_a_replay_lets_the_call_end_that_is_on_its_way(session: Tx) -> None:
    run = fire(session, write(session, [{"http_request": {"url": "https://example.com/"}}]))
    work(session)
    session.execute("UPDATE calls SET state = 'running'")
    cancel(session, run)
    work(session)
    with session.transaction():
        found = run_rows.find(session, run)
        assert found is not None
        made = replays.begin_anew(session, found, 1)
    work(session)
    session.execute("UPDATE calls SET state = 'done'")
    session.execute("UPDATE workflow_runs SET next_attempt_at = now() WHERE state = 'pending'")
    work(session)

    work(session)

    assert session.execute("SELECT run_id, state FROM calls").fetchall() == [(made, "pending")]


def test_an_event_is_waited_for_however_its_name_is_written(session: Tx) -> None:
    user = make.user(session)["id"]
    run = fire(session, write(session, [{"wait": {"event": "Bonus delivered"}}], user_id=user))
    work(session)
    fact(session, user, "bonus_delivered")

    matched()
    work(session)

    assert state(session, run) == ("done", "succeeded", None)


def test_a_filter_that_its_values_break_fails_at_once(session: Tx) -> None:
    wait = {"wait": {"event": "hook", "where": ['event.body == "{{ input.x }}"']}}
    run = fire(session, write(session, [wait]), input=Jsonb({"input": {"x": "x" * 3000}}))

    work(session)

    assert steps(session, run) == [("1_wait", "dead", 1)]


def test_a_run_that_fails_while_it_waits_is_told_of_nothing_more(session: Tx) -> None:
    bound = Jsonb({"settings": {"most_seconds": 60}})
    run = fire(session, write(session, [{"wait": {"event": "hook"}}], trigger_config=bound))
    work(session)
    session.execute(
        "UPDATE workflow_runs SET started_at = now() - interval '1 hour', next_attempt_at = now()"
    )
    work(session)

    work(session)

    assert state(session, run) == ("dead", "failed", "budget: it took more than 60 s")
    assert session.execute("SELECT count(*) FROM workflow_waits").fetchone() == (0,)


def test_of_one_workflow_only_so_many_runs_are_queued(session: Tx) -> None:
    each = {"every_seconds": 1, "overlap": "queue", "catch_up": "all", "catch_up_limit": 1000}
    write(session, [{"wait": {"days": 7}}], trigger_type="scheduled", trigger_config=Jsonb(each))
    tick(session)
    session.execute("UPDATE workflows SET next_run_at = now() - interval '150 seconds'")

    tick(session)

    assert session.execute(
        "SELECT count(*) FILTER (WHERE queued), max(reason) FROM workflow_runs"
    ).fetchone() == (100, "overlap: 100 runs are queued already")
