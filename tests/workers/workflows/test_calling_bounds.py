"""Calls: what is never sent or shown, and that nobody holds up another."""

import base64
import os
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from base.settings import settings
from db import secrets
from db.connection import Tx
from tests import make
from tests.fleet.program import until
from tests.web import Web, say, say_each, web
from tests.workers.workflows.waiting import Step, due_now
from workers.workflows.calling import Calling


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
