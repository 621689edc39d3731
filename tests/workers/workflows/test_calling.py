"""Calls: claimed, sent over real sockets, and recorded together with the step that waits."""

import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from base.settings import settings
from db import calls, runs
from db.calls import NewCall
from db.connection import Tx, transaction
from db.runs import NewRun
from db.work import NEVER
from tests import make
from tests.conftest import Connect
from tests.fleet.program import until
from tests.web import Web, say, web
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
