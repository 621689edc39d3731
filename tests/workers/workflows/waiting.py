"""Runs that wait for a call, and what is known of it."""

from typing import Any
from uuid import UUID, uuid4

from db import calls, runs
from db.calls import NewCall
from db.connection import Tx, transaction
from db.runs import NewRun
from db.work import NEVER
from tests import make
from tests.fleet.program import until


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

    def owe_mail(self, what: dict[str, Any]) -> None:
        """Owe a mail; a pause between tries goes beside what belongs into it."""
        seconds = what.pop("retry_seconds", None)
        new = NewCall("mail", "", self.user, self.run, "1", self.key, {"html": None, **what})
        with transaction() as tx:
            calls.owe(tx, new._replace(retry_seconds=seconds))

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
