"""Runs: one per workflow, due time and cause; who waits goes on when its step is over."""

from datetime import UTC, datetime
from uuid import UUID

from db import runs
from db.connection import Tx
from db.runs import NewRun
from tests import make

DUE = datetime(2026, 12, 1, 9, tzinfo=UTC)


def _workflow(tx: Tx) -> tuple[UUID, UUID]:
    user = make.user(tx)["id"]
    row = tx.execute(
        "INSERT INTO workflows (user_id, name, trigger_type, actions)"
        " VALUES (%s, 'w', 'manual', '[]') RETURNING id",
        (user,),
    ).fetchone()
    assert row is not None
    return row[0], user


def test_a_due_time_makes_one_run_however_often_it_is_added(tx: Tx) -> None:
    workflow, user = _workflow(tx)
    row = NewRun(workflow, user, 1, "scheduled", DUE)

    first, second = runs.add(tx, [row]), runs.add(tx, [row, row._replace(cause="other")])

    assert (len(first), len(second)) == (1, 1)


def test_a_run_that_waits_goes_on_when_its_step_is_over_and_only_once(tx: Tx) -> None:
    workflow, user = _workflow(tx)
    (run,) = runs.add(tx, [NewRun(workflow, user, 1, "manual", starts_at=DUE)])
    tx.execute(
        "INSERT INTO workflow_steps (run_id, path, name, action, state, key)"
        " VALUES (%s, '1', '1_wait', 'wait', 'running', 'k')",
        (run,),
    )

    told = [
        runs.step_ended(
            tx, run, "1", state="done", outcome="succeeded", output={"n": 1}, error=None, attempt=2
        )
        for _ in range(2)
    ]

    assert told == [True, False]
    assert tx.execute("SELECT ready FROM workflow_runs WHERE id = %s", (run,)).fetchone() == (True,)
    step = tx.execute("SELECT state, output, attempt FROM workflow_steps").fetchone()
    assert step == ("done", {"n": 1}, 2)
