"""Calls: claimed, sent over real sockets, and recorded together with the step that waits."""

import os

import pytest

from base.settings import settings
from db.connection import Tx
from tests.fleet.program import until
from tests.web import Web, hang_up, say, say_each, web
from tests.workers.workflows.waiting import Step, attempts, due_now, put_off
from workers.workflows.calling import Calling


def test_a_call_is_made_and_its_run_goes_on(session: Tx, server: Web, calling: Calling) -> None:
    step = Step(session)
    server.answer = say(201, b'{"id": 7}', "Content-Type: application/json", "X-Other: no")
    step.owe(f"{server.url}/hook?a=1", headers={"X-Mine": "yes"})

    calling.wake()

    state, outcome, output, error = step.ended()
    [got] = server.got
    assert (state, outcome, error) == ("done", "succeeded", None)
    assert (output["status"], output["body"]) == (201, {"id": 7})
    assert output["headers"] == {"content-type": "application/json"}
    assert (got.method, got.path, got.body) == ("POST", "/hook?a=1", b'{"n":1}')
    assert got.headers["idempotency-key"] == step.key
    assert got.headers["x-mine"] == "yes"
    assert step.is_awake()
    call = session.execute("SELECT state, outcome, request, tries FROM calls").fetchone()
    assert call == ("done", "succeeded", None, 1)
    tried = session.execute("SELECT attempt, outcome, status FROM call_attempts").fetchall()
    assert tried == [(1, "accepted", 201)]


@pytest.mark.parametrize("status", [302, 400, 404, 410])
def test_an_answer_for_good_ends_the_step_and_is_shown(
    session: Tx, server: Web, calling: Calling, status: int
) -> None:
    server.answer = say(status, b"no such thing")
    step = Step(session)
    step.owe(server.url)

    calling.wake()

    state, outcome, output, error = step.ended()
    assert (state, outcome) == ("dead", "failed")
    assert error == f"the server answered {status}: no such thing"
    assert (output["status"], output["body"]) == (status, "no such thing")
    assert step.is_awake()
    row = session.execute("SELECT state, outcome, request FROM calls").fetchone()
    assert row == ("done", "failed", None)


def test_an_answer_for_now_is_tried_again_with_the_same_key(
    session: Tx, server: Web, calling: Calling
) -> None:
    server.answer = say_each(say(503, b"later", "Retry-After: 100"), say(500), say(200))
    step = Step(session)
    step.owe(server.url)

    calling.wake()
    first = put_off(session, 1)
    told = step.row()
    due_now(session)
    calling.wake()
    second = put_off(session, 2)
    due_now(session)
    calling.wake()

    assert step.ended()[:2] == ("done", "succeeded")
    assert 90 < first <= 100
    assert 230 < second <= 360  # five minutes, a fifth more or less
    assert told == ("running", None, None, "the server answered 503: later")
    assert attempts(session) == [
        (1, "deferred", 503), (2, "deferred", 500), (3, "accepted", 200)
    ]  # fmt: skip
    assert {got.headers["idempotency-key"] for got in server.got} == {step.key}


def test_a_step_has_its_own_pause_and_number_of_tries(
    session: Tx, server: Web, calling: Calling
) -> None:
    server.answer = say(500, b"")
    step = Step(session)
    step.owe(server.url, most_tries=3, retry_seconds=0.0)

    calling.wake()

    assert step.ended() == ("dead", "failed", step.ended()[2], "the server answered 500")
    assert [one[0] for one in attempts(session)] == [1, 2, 3]


def test_what_was_never_sent_is_tried_again_whatever_the_policy(
    session: Tx, server: Web, calling: Calling
) -> None:
    with web() as closed:
        pass
    os.environ["HOPFLEET_CALL_PORTS"] = str(closed.port)
    settings.cache_clear()
    step = Step(session)
    step.owe(closed.url, on_unknown="fail")

    calling.wake()

    assert put_off(session, 1) < 7
    assert attempts(session) == [(1, "unreachable", None)]


@pytest.mark.parametrize(
    ("policy", "outcome"), [("fail", "failed"), ("ask", "unknown")], ids=["fail", "ask"]
)
def test_nobody_knows_whether_it_was_received_and_it_is_not_sent_again(
    session: Tx, server: Web, calling: Calling, policy: str, outcome: str
) -> None:
    server.answer = hang_up
    step = Step(session)
    step.owe(server.url, on_unknown=policy)

    calling.wake()

    assert step.ended()[:2] == ("dead", outcome)
    assert len(server.got) == 1
    assert attempts(session) == [(1, "unknown", None)]


def test_nobody_knows_whether_it_was_received_and_it_is_sent_again(
    session: Tx, server: Web, calling: Calling
) -> None:
    server.answer = say_each(hang_up, say(200))
    step = Step(session)
    step.owe(server.url, retry_seconds=0.0)

    calling.wake()

    assert step.ended()[:2] == ("done", "succeeded")
    assert [got.headers["idempotency-key"] for got in server.got] == [step.key] * 2


@pytest.mark.parametrize(
    ("policy", "ends", "received"),
    [("retry", ("done", "succeeded"), 1), ("fail", ("dead", "failed"), 0),
     ("ask", ("dead", "unknown"), 0)],
    ids=["retry", "fail", "ask"],
)  # fmt: skip
def test_what_a_dead_worker_was_sending_has_an_unknown_outcome(
    session: Tx, server: Web, calling: Calling, policy: str, ends: tuple[str, str], received: int
) -> None:
    step = Step(session)
    step.owe(server.url, on_unknown=policy)
    session.execute(
        "UPDATE calls SET state = 'running', attempts = 1, tries = 1,"
        " lease_until = now() - interval '1 s'"
    )
    session.execute("INSERT INTO call_attempts (call_id, attempt) SELECT id, 1 FROM calls")

    calling.wake()

    assert step.ended()[:2] == ends
    assert len(server.got) == received
    assert attempts(session)[0] == (1, "unknown", None)


def test_whoever_lost_the_lease_writes_nothing(session: Tx, server: Web, calling: Calling) -> None:
    server.answer = server.hang
    step = Step(session)
    step.owe(server.url)
    calling.wake()
    until(lambda: len(server.got) == 1, 10, "it is on its way")
    session.execute("UPDATE calls SET attempts = attempts + 1")  # somebody else has it now

    server.release()
    until(lambda: attempts(session) == [(1, "accepted", 200)], 10, "the answer came")

    assert step.row() == ("running", None, None, None)
    assert session.execute("SELECT state FROM calls").fetchone() == ("running",)


def test_a_call_of_a_cancelled_run_is_not_sent(session: Tx, server: Web, calling: Calling) -> None:
    step = Step(session)
    step.owe(server.url)
    session.execute("UPDATE workflow_runs SET cancel = true")

    calling.wake()

    assert step.ended()[:2] == ("done", "cancelled")
    assert server.got == []
    assert session.execute("SELECT state, outcome FROM calls").fetchone() == ("done", "cancelled")


def test_a_suspended_users_call_waits_and_is_sent_afterwards(
    session: Tx, server: Web, calling: Calling
) -> None:
    step = Step(session)
    step.owe(server.url)
    session.execute("UPDATE users SET status = 'suspended'")
    calling.wake()
    until(
        lambda: session.execute("SELECT last_error FROM calls").fetchone()
        == ("the account is suspended",), 10, "it waits",
    )  # fmt: skip
    waiting = session.execute("SELECT state, tries FROM calls").fetchone()

    session.execute("UPDATE users SET status = 'active'")
    due_now(session)
    calling.wake()

    assert step.ended()[:2] == ("done", "succeeded")
    assert waiting == ("pending", 0)
