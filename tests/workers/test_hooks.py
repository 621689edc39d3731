"""Hooks' posts: they fire the workflow that is meant, once, while their key is the current one."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from base.clock import now
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.make import Made, batch_id
from tests.workers.items import claimed, held
from tests.workers.workflows.listening import facts, listener, matched, runs
from workers import hooks, inbox
from workers.outcome import Outcome
from workers.store import store


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def workflow(session: Tx) -> Made:
    """A workflow that listens to its hook."""
    return listener(session, make.user(session)["id"], "hook")


def post(workflow_id: UUID, **more: Any) -> dict[str, Any]:
    meta = {"workflow": workflow_id.hex, "number": 1, "depth": 0, "body": {"n": 1}}
    meta |= more.pop("meta", {})
    return {"id": batch_id(), "type": "hook", "user": "", "door": "hooks", "meta": meta} | more


def stored(*posts: Any) -> Outcome:
    outcome = Outcome(Kind.WEBHOOKS)
    with transaction() as tx:
        store(tx, Kind.WEBHOOKS, [claimed(*posts)], now(), outcome)
    return outcome


def ends(outcome: Outcome) -> list[str]:
    return sorted(how for _, _, how in outcome.ended().elements())


def test_a_post_fires_its_workflow_alone(session: Tx, workflow: Made) -> None:
    listener(session, workflow["user_id"], "hook")
    told = post(workflow["id"])

    outcome = stored(told)
    matched()

    (run,) = runs(session)
    assert assert_hooked(run, workflow) == {"n": 1}
    assert (ends(outcome), outcome.told) == (["stored"], 1)
    assert run["input"]["event"]["id"] == told["id"]


def assert_hooked(run: Made, workflow: Made) -> Any:
    assert (run["workflow_id"], run["trigger"]) == (workflow["id"], "event")
    return run["input"]["event"]["body"]


def test_a_filter_sees_the_body(session: Tx, workflow: Made) -> None:
    session.execute(
        'UPDATE workflows SET trigger_config = \'{"event": "hook", "where": ["event.body.n > 1"]}\''
    )

    stored(post(workflow["id"]), post(workflow["id"], meta={"body": {"n": 2}}),
           post(workflow["id"], meta={"body": None}))  # fmt: skip
    matched()

    assert [assert_hooked(run, workflow) for run in runs(session)] == [{"n": 2}]


def test_one_that_no_scheduler_has_looked_at_yet_is_fired(session: Tx, workflow: Made) -> None:
    session.execute("UPDATE workflow_states SET listens = NULL, checked = false")

    stored(post(workflow["id"]))
    matched()

    assert len(runs(session)) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE workflows SET status = 'paused'",
        "UPDATE workflow_states SET hook_number = 2",
        "UPDATE workflows SET trigger_type = 'manual'",
        "UPDATE workflow_states SET listens = 'click'",
        "DELETE FROM workflows",
    ],
    ids=range(5),
)
def test_a_hook_that_is_no_more_is_gone(session: Tx, workflow: Made, change: str) -> None:
    session.execute(change)

    outcome = stored(post(workflow["id"]), post(uuid4()))

    assert (ends(outcome), outcome.gone) == (["gone", "gone"], 2)
    assert facts(session) == []


def test_an_event_id_fires_a_hook_once(session: Tx, workflow: Made) -> None:
    other = listener(session, workflow["user_id"], "hook")
    first = post(workflow["id"], event_id="mine")

    outcome = stored(first, post(workflow["id"], event_id="mine"), post(workflow["id"]),
                     post(other["id"], event_id="mine"))  # fmt: skip
    again = stored(post(workflow["id"], event_id="mine"))

    assert ends(outcome) == ["duplicate", "stored", "stored", "stored"]
    assert ends(again) == ["duplicate"]
    assert facts(session)[0]["ref"] == first["id"]


def test_a_post_whose_owner_is_locked_waits(
    session: Tx, workflow: Made, connect: Connect
) -> None:  # fmt: skip
    other = connect()
    with other.transaction():
        other.execute("SELECT FROM users FOR UPDATE")
        stored(post(workflow["id"]))

    assert held(session, "pending") == [(0, "owner_locked")]
    assert facts(session) == []


@pytest.mark.parametrize(
    "meta", [{"workflow": "x"}, {"workflow": None}, {"number": "x"}, {"number": None}], ids=range(4)
)
def test_what_is_no_post_is_a_dead_letter(session: Tx, workflow: Made, meta: Any) -> None:
    good = post(workflow["id"])

    stored(post(workflow["id"], meta=meta), good)

    assert held(session) == [(0, "unreadable")]
    assert [fact["ref"] for fact in facts(session)] == [good["id"]]


def test_a_chain_of_hooks_ends(session: Tx, workflow: Made) -> None:
    stored(post(workflow["id"], meta={"depth": 8}), post(workflow["id"], meta={"depth": "x"}))
    matched()

    assert [run["reason"] for run in runs(session)] == ["loop", None]


def test_the_inbox_knows_whose_posts_they_are() -> None:
    assert inbox.TAKES["hook"] is hooks.take
