"""Calls: claimed, sent over real sockets, and recorded together with the step that waits."""

import base64
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from base.settings import settings
from db import calls, runs, secrets
from db.calls import NewCall
from db.connection import Tx, transaction
from db.runs import NewRun
from db.work import NEVER
from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.web import Web, hang_up, say, say_each, web
from workers.workflows.calling import Calling


@pytest.fixture
def server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server on loopback, which may be called."""
    with web() as found:
        monkeypatch.setitem(os.environ, "HOPFLEET_CALL_PRIVATE", "127.0.0.0/8")
        monkeypatch.setitem(os.environ, "HOPFLEET_CALL_PORTS", str(found.port))
        settings.cache_clear()
        yield found
    settings.cache_clear()


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def calling(server: Web) -> Iterator[Calling]:
    """The thread, at its end when the test is."""
    made = Calling()
    yield made
    server.release()
    made.stop()
    until(lambda: made._thread is None, 30, "calling has ended")


class Step:
    """A run that waits for a call."""

    def __init__(self, session: Tx, user: UUID | None = None) -> None:
        self.session = session
        self.user = user or make.user(session)["id"]
        workflow = make.workflow(session, self.user)["id"]
        [self.run] = runs.add(session, [NewRun(workflow, self.user, 1, "manual", starts_at=NEVER)])
        self.key = uuid4().hex
        session.execute(
            "INSERT INTO workflow_steps (run_id, path, name, action, state, key)"
            " VALUES (%s, '1', '1_http_request', 'http_request', 'running', %s)",
            (self.run, self.key),
        )

    def owe(self, url: str, **given: Any) -> None:
        """Owe a request; what belongs into it goes there."""
        what: dict[str, Any] = {
            "method": "POST",
            "url": url,
            "headers": {},
            "body": '{"n":1}',
            "sign": None,
        }
        what |= {name: given.pop(name) for name in list(given) if name in what}
        lane = given.pop("lane", "127.0.0.1")
        with transaction() as tx:
            calls.owe(tx, NewCall("http", lane, self.user, self.run, "1", self.key, what, **given))

    def row(self) -> tuple[Any, ...] | None:
        """What is said of the step."""
        row: tuple[Any, ...] | None = self.session.execute(
            "SELECT state, outcome, output, error FROM workflow_steps WHERE run_id = %s",
            (self.run,),
        ).fetchone()
        return row

    def ended(self) -> tuple[Any, ...]:
        """Wait until the step is over; what is said of it."""
        until(lambda: (self.row() or ("",))[0] in ("done", "dead"), 20, "the step has ended")
        row = self.row()
        assert row is not None
        return row

    def is_awake(self) -> bool:
        """Whether its run goes on."""
        found = self.session.execute("SELECT ready FROM workflow_runs WHERE id = %s", (self.run,))
        return found.fetchone() == (True,)


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


def attempts(session: Tx) -> list[Any]:
    """What is known of each try, in their order."""
    return session.execute(
        "SELECT attempt, outcome, status FROM call_attempts ORDER BY id"
    ).fetchall()


def due_now(session: Tx) -> None:
    """As if the pause before the next try were over."""
    session.execute("UPDATE calls SET next_attempt_at = now() WHERE state = 'pending'")


def put_off(session: Tx, times: int) -> float:
    """Wait until the call was tried so often and is to be tried again; in how many seconds."""
    until(lambda: len(attempts(session)) == times, 20, f"it was tried {times} times")
    found: list[Any] = []

    def is_put_off() -> bool:
        found[:] = session.execute(
            "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM calls"
            " WHERE state = 'pending'"
        ).fetchall()
        return bool(found)

    until(is_put_off, 20, "it is to be tried again")
    return float(found[0][0])


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


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"url": "http://10.0.0.1/"}, "only the internet may be called"),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, "only the internet may be called"),
        ({"url": "http://localhost:22/"}, "port 22"),
        ({"url": "file:///etc/passwd"}, "neither http"),
        ({"url": "http://example.com/", "headers": {"X": "a\r\nEvil: 1"}}, "control character"),
        ({"url": "http://example.com/", "sign": "short"}, "a signing secret"),
    ],
    ids=["private", "metadata", "port", "file", "header", "secret"],
)
def test_a_call_that_may_not_be_made_fails_at_once_and_says_why(
    session: Tx, server: Web, calling: Calling, given: dict[str, Any], why: str
) -> None:
    os.environ["HOPFLEET_CALL_PORTS"] = "80"
    settings.cache_clear()
    step = Step(session)
    step.owe(**given)

    calling.wake()

    state, outcome, _, error = step.ended()
    assert (state, outcome) == ("dead", "failed")
    assert why in error


def test_a_signed_call_is_one_that_the_receivers_library_takes(
    session: Tx, server: Web, calling: Calling
) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    server.answer = say_each(say(500), say(200))
    step = Step(session)
    step.owe(server.url, sign=secret, body='{"ü": 1}', retry_seconds=0.0)

    calling.wake()
    step.ended()

    for got in server.got:
        assert Webhook(secret).verify(got.body, got.headers) == {"ü": 1}
    assert [got.headers["webhook-id"] for got in server.got] == [step.key] * 2
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(server.got[0].body + b" ", server.got[0].headers)


def test_a_secret_that_a_server_repeats_is_shown_nowhere(
    session: Tx, server: Web, calling: Calling, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = 'canary/7"f+3 9'
    echoed = {"plain": canary, "deep": [{canary: [f"Bearer {canary}"]}]}
    quoted = quote(canary, safe="")
    server.answer = say_each(
        say(500, f"bad token {canary} {quoted}".encode()),
        say(400, orjson.dumps(echoed), "Content-Type: application/json", f"Location: /?k={quoted}"),
    )
    step = Step(session)
    secrets.put(session, step.user, "token", canary)
    step.owe(f"{server.url}/?key={quoted}", headers={"X": canary}, retry_seconds=0.0)

    calling.wake()
    step.ended()

    written = "".join(
        str(row)
        for table in ("calls", "call_attempts", "workflow_steps", "workflow_runs")
        for row in session.execute(f"SELECT to_jsonb(t) FROM {table} t")
    )
    logged = "".join(capfd.readouterr())
    assert len(server.got) == 2
    assert "***" in written
    assert "canary" not in written + logged
    assert "7%22f" not in written + logged


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a": "x\\u0000y", "b": 1e300}', {"a": "xy", "b": "1e+300"}),
        (b'{"a": 1e400}', '{"a": 1e400}'),
        (b"\xff\x00text", "\ufffdtext"),
        (b'{"a": "\\ud800"}', '{"a": "\\ud800"}'),
        (b"[" * 2_000 + b"]" * 2_000, "[" * 2_000 + "]" * 2_000),
        (b"[" * 100 + b"]" * 100, "[" * 100 + "]" * 100),
        (b"", None),
    ],
    ids=["nul", "huge", "bytes", "surrogate", "deep", "nested", "empty"],
)
def test_an_answer_that_the_database_could_not_keep_ends_its_step_all_the_same(
    session: Tx, server: Web, calling: Calling, body: bytes, kept: Any
) -> None:
    server.answer = say(200, body, "Content-Type: application/json")
    step = Step(session)
    step.owe(server.url)

    calling.wake()

    state, outcome, output, _ = step.ended()
    assert (state, outcome) == ("done", "succeeded")
    assert output["body"] == kept


def test_one_slow_host_holds_up_no_other(session: Tx, server: Web, calling: Calling) -> None:
    user = make.user(session)["id"]
    server.answer = server.hang
    slow = [Step(session, user) for _ in range(20)]
    for step in slow:
        step.owe(server.url)
    with web() as quick:
        os.environ["HOPFLEET_CALL_PORTS"] = f"{server.port},{quick.port}"
        settings.cache_clear()
        other = Step(session, user)
        other.owe(quick.url, lane="quick.example")

        calling.wake()

        assert other.ended()[:2] == ("done", "succeeded")
        until(lambda: len(server.got) == settings().calls_per_host, 10, "it got what it may have")
        assert server.most_under_way == settings().calls_per_host
        assert {step.row() for step in slow} == {("running", None, None, None)}
        server.answer = say(200)
        server.release()
        assert {step.ended()[1] for step in slow} == {"succeeded"}


def test_a_user_with_many_calls_to_a_host_does_not_hold_up_another(
    session: Tx, server: Web, calling: Calling
) -> None:
    greedy, modest = make.user(session)["id"], make.user(session)["id"]
    many = [Step(session, greedy) for _ in range(60)]
    for step in many:
        step.owe(f"{server.url}/many")
    Step(session, modest).owe(f"{server.url}/one")

    calling.wake()
    many[-1].ended()
    for step in many:
        step.ended()

    assert server.paths().index("/one") < settings().calls_per_host * 2


def test_a_host_that_fails_is_left_alone_and_tried_once_before_all(
    session: Tx, server: Web, calling: Calling
) -> None:
    server.answer = say(503)
    steps = [Step(session) for _ in range(30)]
    for step in steps:
        step.owe(server.url, retry_seconds=3600.0)

    calling.wake()
    until(lambda: len(server.got) >= settings().calls_per_host, 10, "it has failed")
    until(lambda: server.under_way == 0, 10, "all have ended")
    failed = len(server.got)
    server.answer = server.hang
    until(lambda: len(server.got) == failed + 1, 10, "one was sent to see whether it works")
    probing = server.under_way
    server.answer = say(200)
    server.release()
    due_now(session)

    assert {step.ended()[1] for step in steps} == {"succeeded"}
    assert failed < 30
    assert probing == 1
