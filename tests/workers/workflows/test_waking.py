"""Waking: an event ends the wait of the run that it was for, once."""

from typing import Any

import pytest

from db import waits
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.workers.workflows.listening import fact, facts, in_threads, matched, runs


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign and its user."""
    return make.campaign(session)


def waiting(tx: Tx, user_id: Any, kind: str, *where: str) -> int:
    """A run that waits at its first step for an event; its id."""
    workflow = make.workflow(tx, user_id)
    run = make.insert(
        tx, "workflow_runs",
        {"workflow_id": workflow["id"], "user_id": user_id, "version": 1, "trigger": "manual",
         "ready": False, "next_attempt_at": "9000-01-01"},
    )  # fmt: skip
    make.insert(
        tx, "workflow_steps",
        {"run_id": run["id"], "path": "1", "name": "1_wait", "action": "wait", "state": "running",
         "key": "k"},
    )  # fmt: skip
    waits.put(tx, run["id"], "1", user_id, kind, where)
    return int(run["id"])


def steps(tx: Tx) -> list[tuple[Any, ...]]:
    return tx.execute(
        "SELECT run_id, state, outcome, output->>'n' FROM workflow_steps ORDER BY run_id"
    ).fetchall()


def test_an_event_wakes_the_run_that_waits_for_it(session: Tx, campaign: Made) -> None:
    user = campaign["user_id"]
    one, other = waiting(session, user, "refund", "event.n == 2"), waiting(session, user, "click")
    stranger = waiting(session, make.user(session)["id"], "refund")

    for number in (1, 2, 2):
        fact(session, user, "refund", data={"n": number})
    in_threads(4)

    assert steps(session) == [
        (one, "done", "succeeded", "2"), (other, "running", None, None),
        (stranger, "running", None, None),
    ]  # fmt: skip
    assert [run["ready"] for run in runs(session)] == [True, False, False]
    left = session.execute("SELECT run_id FROM workflow_waits ORDER BY run_id").fetchall()
    assert [row[0] for row in left] == [other, stranger]


def test_an_event_that_comes_while_the_time_is_up_is_too_late(
    session: Tx, campaign: Made, connect: Connect
) -> None:
    run = waiting(session, campaign["user_id"], "refund")
    fact(session, campaign["user_id"], "refund", data={"n": 1})
    executor = connect()

    with executor.transaction():
        executor.execute("SELECT FROM workflow_runs WHERE id = %s FOR NO KEY UPDATE", (run,))
        matched()
        timed_out = waits.forget(executor, run)

    assert timed_out
    assert steps(session) == [(run, "running", None, None)]
    assert [one["outcome"] for one in facts(session)] == ["unmatched"]
