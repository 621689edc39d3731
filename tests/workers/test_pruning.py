"""Pruning: what workflows and deliveries leave behind goes after ninety days, and not before."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from base.clock import now
from db import retention
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.posts import post
from workers.maintenance import pruning

YOUNG, OLD = timedelta(days=89), timedelta(days=91)


@pytest.fixture
def session(connect: Connect, journal_url: str) -> Tx:
    """Commits each statement."""
    return connect()


def ids(session: Tx, table: str) -> list[int]:
    return [row[0] for row in session.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()]


def run(session: Tx, workflow: make.Made, at: datetime, ended: bool = True, **columns: Any) -> int:
    """A run of that time with two steps and a call; its id."""
    usual = {
        "workflow_id": workflow["id"], "user_id": workflow["user_id"], "version": 1,
        "trigger": "manual", "cause": str(at), "state": "done", "due_at": at,
        "ended_at": at if ended else None,
    }  # fmt: skip
    id_: int = make.insert(session, "workflow_runs", usual | columns)["id"]
    for path in ("1", "2"):
        step = {"run_id": id_, "path": path, "name": path, "action": "wait", "state": "done"}
        make.insert(session, "workflow_steps", step | {"key": f"{id_}.{path}"})
    call(session, workflow["user_id"], at if ended else None, run_id=id_)
    return id_


def call(session: Tx, user: UUID, ended_at: datetime | None, **columns: Any) -> int:
    """A call with an attempt; its id."""
    usual = {
        "kind": "http", "user_id": user, "key": make.batch_id(), "ended_at": ended_at,
        "state": "done" if ended_at else "pending",
    }  # fmt: skip
    id_: int = make.insert(session, "calls", usual | columns)["id"]
    make.insert(session, "call_attempts", {"call_id": id_, "attempt": 1})
    return id_


def test_old_runs_go_with_all_that_is_theirs(session: Tx) -> None:
    workflow = make.workflow(session, make.user(session)["id"])
    run(session, workflow, now() - OLD)
    run(session, workflow, now() - 2 * OLD, state="dead")
    kept = [
        run(session, workflow, now() - YOUNG),
        run(session, workflow, now() - 2 * OLD, ended=False, state="pending", cause="waits"),
    ]

    pruning.prune()
    pruning.prune()

    assert ids(session, "workflow_runs") == kept
    steps = session.execute("SELECT DISTINCT run_id FROM workflow_steps ORDER BY 1").fetchall()
    assert [row[0] for row in steps] == kept
    assert len(ids(session, "calls")) == len(ids(session, "call_attempts")) == 2


def test_more_runs_than_a_chunk_go_in_one_go(session: Tx) -> None:
    workflow = make.workflow(session, make.user(session)["id"])
    session.execute(
        "INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, cause, state, ended_at)"
        " SELECT %s, %s, 1, 'manual', n::text, 'done', now() - interval '91 days'"
        " FROM generate_series(1, %s) n",
        (workflow["id"], workflow["user_id"], 2 * pruning.RUNS_CHUNK + 1),
    )

    pruning.prune()

    assert ids(session, "workflow_runs") == []


def test_old_calls_of_no_run_go_and_what_is_still_owed_stays(session: Tx) -> None:
    user = make.user(session)["id"]
    call(session, user, now() - OLD)
    kept = [call(session, user, now() - YOUNG), call(session, user, None)]

    pruning.prune()

    assert ids(session, "calls") == kept


def test_old_tries_of_a_delivery_go_and_the_delivery_stays(session: Tx) -> None:
    campaign = make.campaign(session)
    order = make.order(session, campaign["user_id"])
    delivery = make.insert(
        session, "bonus_deliveries",
        {"kind": "email", "user_id": campaign["user_id"], "campaign_id": campaign["id"],
         "bonus_id": make.bonus(session, campaign["id"])["id"], "order_id": order["id"],
         "receipt": order["receipt"]},
    )["id"]  # fmt: skip
    tries = [
        make.insert(
            session, "delivery_attempts",
            {"delivery_id": delivery, "attempt": at, "server": "s", "created_at": now() - age},
        )["id"]
        for at, age in enumerate((OLD, OLD, YOUNG))
    ]  # fmt: skip

    pruning.prune()

    assert ids(session, "delivery_attempts") == tries[2:]
    assert ids(session, "bonus_deliveries") == [delivery]


def test_old_notes_and_posts_that_were_given_up_go(session: Tx) -> None:
    user = make.user(session)["id"]
    notes = [
        make.insert(
            session, "workflow_notes", {"user_id": user, "text": "t", "created_at": now() - age}
        )["id"]
        for age in (OLD, YOUNG)
    ]
    for age in (OLD, YOUNG):
        key = post(session, user, scheduled_for=now() - age)
        session.execute("UPDATE publications SET state = 'dead' WHERE content_id = %s", (key,))

    pruning.prune()

    assert ids(session, "workflow_notes") == notes[1:]
    assert len(ids(session, "publications")) == 1
    assert session.execute("SELECT count(*) FROM content").fetchone() == (2,)


def test_a_chunk_is_no_larger_than_it_may_be(session: Tx) -> None:
    user = make.user(session)["id"]
    session.execute(
        "INSERT INTO workflow_notes (user_id, text, created_at)"
        " SELECT %s, '', now() - interval '91 days' FROM generate_series(1, 5)",
        (user,),
    )

    assert [retention.notes(session, 90, 2) for _ in range(4)] == [2, 2, 1, 0]
