"""Health: what keeps failing is paused, and its owner told once until it works again."""

import threading
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.test_notices import mails
from workers.workflows.health import ended, pause_after


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


def active(session: Tx, **columns: Any) -> UUID:
    """A workflow that is on; its id."""
    user = make.user(session)["id"]
    id_: UUID = make.workflow(session, user, status="active", **columns)["id"]
    return id_


def tells(after: int) -> Jsonb:
    return Jsonb({"settings": {"pause_after_failures": after}})


def end(session: Tx, key: UUID, *runs: bool, first: int = 1, reason: str = "gone wrong") -> None:
    """One transaction in which these runs end; True is a failed one."""
    with session.transaction():
        ended(
            session,
            [(key, first + at, bad, reason if bad else None) for at, bad in enumerate(runs)],
        )


def state(session: Tx, key: UUID) -> tuple[Any, ...]:
    row = session.execute(
        "SELECT w.status, s.failures, s.told_at IS NOT NULL, s.problem FROM workflows w"
        " JOIN workflow_states s ON s.workflow_id = w.id WHERE w.id = %s",
        (key,),
    ).fetchone()
    assert row is not None
    return row


def test_ten_failed_runs_in_a_row_pause_a_workflow_and_tell_its_owner(session: Tx) -> None:
    key = active(session, name="Pause what bleeds")

    for run in range(9):
        end(session, key, True, first=run)
    before = state(session, key)
    end(session, key, True, first=4711, reason="the shop said 500")

    assert before == ("active", 9, False, None)
    problem = "Paused after 10 failed runs in a row; the last was run 4711: the shop said 500"
    assert state(session, key) == ("paused", 10, True, problem)
    [mail] = mails(session)
    assert mail["subject"] == 'Workflow "Pause what bleeds" is paused: 10 runs in a row have failed'
    for told in ("the shop said 500", f"enable {key}", "trace 4711", "replay 4711"):
        assert told in mail["text"]


def test_a_success_in_between_begins_anew(session: Tx) -> None:
    key = active(session, trigger_config=tells(3))

    end(session, key, True, True)
    end(session, key, False, first=3)
    end(session, key, True, True, first=4)

    assert state(session, key) == ("active", 2, False, None)
    assert mails(session) == []


def test_runs_that_end_together_count_in_their_order(session: Tx) -> None:
    healed, broken = (
        active(session, trigger_config=tells(2)),
        active(session, trigger_config=tells(2)),
    )

    end(session, healed, True, True, False)
    end(session, broken, False, True, True)

    assert state(session, healed)[:2] == ("active", 0)
    assert state(session, broken)[:2] == ("paused", 2)


def test_an_owner_is_told_once_until_it_works_again(session: Tx) -> None:
    key = active(session, trigger_config=tells(2))

    end(session, key, True, True)
    for first in (3, 5):
        session.execute("UPDATE workflows SET status = 'active' WHERE id = %s", (key,))
        end(session, key, True, True, first=first)
    once = [mail["subject"] for mail in mails(session)]
    end(session, key, False, False, first=7)
    session.execute("UPDATE workflows SET status = 'active' WHERE id = %s", (key,))
    end(session, key, True, True, first=9)

    assert len(once) == 1
    subjects = [mail["subject"] for mail in mails(session)]
    assert subjects == [
        *once, 'Workflow "A workflow" works again', once[0],
    ]  # fmt: skip


def test_a_workflow_that_is_never_to_be_paused_goes_on(session: Tx) -> None:
    key = active(session, trigger_config=tells(0))

    end(session, key, *([True] * 30))

    assert state(session, key) == ("active", 30, False, None)
    assert mails(session) == []


def test_what_is_enabled_again_counts_from_nothing(session: Tx) -> None:
    key = active(session, trigger_config=tells(2))
    end(session, key, True, True)

    session.execute("UPDATE workflows SET status = 'active' WHERE id = %s", (key,))
    end(session, key, True, first=3)

    assert state(session, key) == ("active", 1, True, None)


def test_a_workflow_that_its_owner_paused_is_left_as_it_is(session: Tx) -> None:
    key = active(session, trigger_config=tells(1))
    session.execute("UPDATE workflows SET status = 'paused' WHERE id = %s", (key,))

    end(session, key, True)

    assert state(session, key) == ("paused", 1, False, None)
    assert mails(session) == []


def test_a_deleted_workflow_is_nobodys_trouble(session: Tx) -> None:
    key = active(session)
    session.execute("DELETE FROM workflows")

    end(session, key, True, False)

    assert mails(session) == []


@pytest.mark.parametrize(
    "config",
    [None, [], "text", {}, {"settings": None}, *({"settings": {"pause_after_failures": odd}}
     for odd in (-1, True, "3", 2.5, None))],
    ids=repr,
)  # fmt: skip
def test_what_others_wrote_for_settings_may_be_odd(config: Any) -> None:
    assert pause_after(config) == 10


class Counting(psycopg.Connection[Any]):
    """A connection that knows how many statements it was given."""

    statements = 0

    def execute(self, *args: Any, **options: Any) -> Any:
        """As usual, and counted."""
        self.statements += 1
        return super().execute(*args, **options)


def test_a_success_where_nothing_is_wrong_is_one_statement(session: Tx, database: str) -> None:
    keys = [active(session) for _ in range(3)]

    with Counting.connect(database) as own:
        ended(own, [(key, 1, False, None) for key in keys])

    assert own.statements == 1


def test_a_change_by_sql_and_failing_runs_never_wait_for_one_another_for_ever(
    session: Tx, database: str
) -> None:
    keys = [active(session, trigger_config=tells(1_000_000)) for _ in range(5)]
    faults: list[Exception] = []

    def fail() -> None:
        with psycopg.connect(database, autocommit=True) as own:
            for run in range(60):
                try:
                    with own.transaction():
                        ended(own, [(key, run, True, "r") for key in keys])
                except psycopg.Error as error:
                    faults.append(error)

    def change() -> None:
        with psycopg.connect(database, autocommit=True) as own:
            for at in range(60):
                try:
                    own.execute(
                        "UPDATE workflows SET name = %s WHERE id = %s", (f"n{at}", keys[at % 5])
                    )
                except psycopg.Error as error:
                    faults.append(error)

    threads = [threading.Thread(target=what) for what in (fail, fail, change, change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert [state(session, key)[1] for key in keys] == [120] * 5
