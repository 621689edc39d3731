"""Firing: one run per due time, whatever overlaps, is late, or fires beside it."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

import scheduler
from db import run_work
from db.connection import Tx, transaction
from tests import make
from tests.conftest import Connect
from tests.workers.workflows.test_running import NOTE, fire, notes, state, tick, work, write
from workers.workflows import firing
from workers.workflows.running import Runner


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


def hourly(session: Tx, late: str = "1 second", **config: Any) -> UUID:
    """A workflow that is due each hour, and was so a while ago, at a full hour."""
    workflow = write(
        session,
        [NOTE],
        trigger_type="scheduled",
        trigger_config=Jsonb({"every_hours": 1, **config}),
    )
    tick(session)
    session.execute(
        f"UPDATE workflows SET next_run_at = now() - interval '{late}' WHERE id = %s", (workflow,)
    )
    return workflow


def again(session: Tx, workflow: UUID) -> None:
    session.execute("UPDATE workflows SET next_run_at = now() WHERE id = %s", (workflow,))
    tick(session)


def outcomes(session: Tx) -> Counter[str]:
    rows = session.execute("SELECT coalesce(outcome, state) FROM workflow_runs")
    return Counter(row[0] for row in rows)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", {"pending": 1, "skipped": 1}),
        ("allow", {"pending": 2}),
        ("queue", {"pending": 2}),
        ("cancel_previous", {"pending": 2}),
    ],
)
def test_a_run_that_has_not_ended_meets_the_next_as_the_trigger_says(
    session: Tx, overlap: str, expected: dict[str, int]
) -> None:
    workflow = hourly(session, overlap=overlap)
    tick(session)

    again(session, workflow)
    found = outcomes(session)
    work(session)
    work(session)

    assert found == expected
    after = {
        "skip": {"succeeded": 1, "skipped": 1}, "allow": {"succeeded": 2},
        "queue": {"succeeded": 2}, "cancel_previous": {"succeeded": 1, "cancelled": 1},
    }  # fmt: skip
    assert outcomes(session) == after[overlap]


def test_what_is_queued_begins_when_what_it_waits_for_has_ended(session: Tx) -> None:
    workflow = hourly(session, overlap="queue")
    tick(session)
    again(session, workflow)
    before = session.execute("SELECT queued, ready FROM workflow_runs ORDER BY id").fetchall()

    work(session)
    work(session)

    assert before == [(False, True), (True, False)]
    rows = session.execute("SELECT started_at, ended_at FROM workflow_runs ORDER BY id").fetchall()
    assert rows[0][1] <= rows[1][0]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("skip", {"missed": 4}), ("once", {"missed": 3, "pending": 1}), ("all", {"pending": 1})],
)
def test_a_missed_time_is_a_run_with_its_reason(
    session: Tx, catch_up: str, expected: dict[str, int]
) -> None:
    hourly(session, late="3 hours 30 minutes", catch_up=catch_up, overlap="queue")

    tick(session)

    found = outcomes(session)
    if catch_up == "all":
        expected = {"pending": 4}
    assert found == expected
    reasons = {row[0] for row in session.execute("SELECT reason FROM workflow_runs")}
    assert reasons - {None} <= {"nothing was running at that time"}


def test_a_workflow_whose_last_time_has_come_runs_and_is_paused_with_the_reason(
    session: Tx,
) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=1)
    write(
        session, [NOTE], trigger_type="scheduled", next_run_at=moment,
        trigger_config=Jsonb({"at": moment.isoformat()}),
    )  # fmt: skip

    tick(session)
    work(session)

    found = session.execute(
        "SELECT w.status, w.next_run_at, s.problem FROM workflows w"
        " JOIN workflow_states s ON s.workflow_id = w.id"
    ).fetchone()
    assert found is not None
    assert found[:2] == ("paused", None)
    assert "over" in found[2]
    assert len(notes(session)) == 1


def test_many_schedulers_at_once_fire_each_due_time_once(session: Tx) -> None:
    user = make.user(session)["id"]
    session.execute(
        "INSERT INTO workflows (user_id, name, trigger_type, trigger_config, actions, status)"
        " SELECT %s, 'w', 'scheduled', %s, %s, 'active' FROM generate_series(1, 1500)",
        (user, Jsonb({"every_minutes": 5}), Jsonb([NOTE])),
    )
    while (
        tick(session)
        or session.execute("SELECT 1 FROM workflow_states WHERE NOT checked").fetchone()
    ):
        pass
    session.execute("UPDATE workflows SET next_run_at = now() - interval '1 second'")

    def run() -> None:
        while True:
            with transaction() as tx:
                if not firing.fire(tx, 100):
                    return

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    found = session.execute(
        "SELECT count(*), count(DISTINCT workflow_id), count(DISTINCT due_at) FROM workflow_runs"
    ).fetchone()
    assert found == (1500, 1500, 1)
    assert session.execute(
        "SELECT count(*) FROM workflows WHERE next_run_at > now()"
    ).fetchone() == (1500,)


def test_a_workflow_is_edited_and_paused_by_plain_sql(session: Tx) -> None:
    workflow = hourly(session)
    tick(session)
    before = session.execute("SELECT next_run_at FROM workflows").fetchone()

    session.execute(
        "UPDATE workflows SET trigger_config = %s, actions = %s",
        (Jsonb({"every_days": 1}), Jsonb([NOTE, NOTE])),
    )
    unplanned = session.execute("SELECT next_run_at FROM workflows").fetchone()
    tick(session)
    planned = session.execute("SELECT next_run_at FROM workflows").fetchone()
    work(session)
    on_first = len(notes(session))
    second = fire(session, workflow)
    work(session)
    session.execute("UPDATE workflows SET status = 'paused'")
    session.execute("UPDATE workflows SET next_run_at = now()")

    assert before is not None
    assert unplanned == (None,)
    assert planned is not None
    assert planned[0] > before[0]
    assert on_first == 1  # it began on the first version, and ended on it
    assert state(session, second) == ("done", "succeeded", None)
    assert len(notes(session)) == 3
    versions = session.execute("SELECT version FROM workflow_versions ORDER BY 1").fetchall()
    assert versions == [(1,), (2,)]
    assert session.execute("SELECT next_run_at FROM workflows").fetchone() == (None,)
    assert tick(session) == 0


def test_a_time_that_is_set_by_hand_fires_whatever_the_trigger_is(session: Tx) -> None:
    write(session, [NOTE])
    tick(session)

    session.execute("UPDATE workflows SET next_run_at = now()")
    tick(session)
    work(session)

    assert len(notes(session)) == 1
    assert session.execute("SELECT status, next_run_at FROM workflows").fetchone() == (
        "active", None,
    )  # fmt: skip


def test_jitter_moves_the_start_and_not_the_due_time(session: Tx) -> None:
    hourly(session, jitter_seconds=3600)

    tick(session)

    row = session.execute(
        "SELECT ready, next_attempt_at >= due_at, next_attempt_at < due_at + interval '1 hour'"
        " FROM workflow_runs"
    ).fetchone()
    assert row == (False, True, True)


def test_one_user_s_many_runs_do_not_come_before_another_s_only_one(session: Tx) -> None:
    many = write(session, [NOTE])
    session.execute(
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, cause)"
        " SELECT id, user_id, 1, 'manual', n::text FROM workflows, generate_series(1, 1000) n"
    )
    single = fire(session, write(session, [NOTE]))

    Runner().work()

    assert state(session, single) == ("done", "succeeded", None)
    done = session.execute(
        "SELECT count(*) FROM workflow_runs WHERE workflow_id = %s AND state = 'done'", (many,)
    ).fetchone()
    assert done is not None
    assert done[0] <= 200


def test_a_cancelled_run_ends_and_does_nothing_more(session: Tx) -> None:
    run = fire(session, write(session, [NOTE, {"wait": {"days": 1}}, NOTE]))
    work(session)

    session.execute("UPDATE workflow_runs SET cancel = true, ready = true")
    work(session)

    assert state(session, run) == ("done", "cancelled", "somebody cancelled it")
    assert len(notes(session)) == 1


def test_a_run_that_kills_its_workers_is_buried_and_not_those_beside_it(session: Tx) -> None:
    workflow = write(session, [NOTE])
    bad = fire(session, workflow)
    beside = fire(session, workflow, cause="beside")
    lost = "UPDATE workflow_runs SET state = 'running', lease_until = now() - interval '1 s'"

    for _ in range(5):  # each time a worker begins the first, and is gone
        session.execute(lost)
        with session.transaction():
            run_work.promote(session, 10)
        session.execute("UPDATE workflow_runs SET losses = losses + 1 WHERE id = %s", (bad,))
    work(session)

    assert state(session, bad) == ("dead", "failed", "6 workers did not come back from it")
    assert state(session, beside) == ("done", "succeeded", None)


def test_times_that_no_calendar_holds_stop_nobody(session: Tx) -> None:
    times = ("infinity", "-infinity", "294276-01-01", "4000-01-01 BC", "1990-01-01")
    for at in times:
        workflow = write(
            session, [NOTE], name=at, trigger_type="scheduled",
            trigger_config=Jsonb({"cron": "* * * * *"}),
        )  # fmt: skip
        session.execute("UPDATE workflows SET next_run_at = %s WHERE id = %s", (at, workflow))
    good = hourly(session)

    with transaction() as tx:
        scheduler.tick(tx)
    work(session)
    with transaction() as tx:
        read = [row[0] for row in tx.execute("SELECT next_run_at FROM workflows")]

    assert len(read) == len(times) + 1
    fired = session.execute(
        "SELECT DISTINCT w.name FROM workflow_runs r JOIN workflows w ON w.id = r.workflow_id"
        " WHERE r.outcome = 'succeeded'"
    ).fetchall()
    assert {row[0] for row in fired} == {*times[1:2], *times[3:], "A workflow"}
    assert session.execute(
        "SELECT count(*) FROM workflow_runs WHERE workflow_id = %s", (good,)
    ).fetchone() == (1,)
