"""Chores with a time of day: one host does them once a day, and late rather than not."""

import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from structlog.testing import capture_logs

from admin.chores import Chores
from base.clock import now
from base.errors import StoreAway
from db.connection import Tx
from tests.conftest import Connect
from workers.maintenance.chores import Chore, Daily, Outages


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


class Diary:
    """A chore that writes down that it was done."""

    def __init__(self, at: time) -> None:
        self.entries: list[str] = []
        self.chore = Chore("diary", at, self.write)
        self.wrong: list[Exception] = []

    def write(self) -> None:
        if self.wrong:
            raise self.wrong.pop()
        self.entries.append("done")

    def host(self) -> Daily:
        """Another scheduler that has it on its list."""
        return Daily([Chore("other", 5, self.write), self.chore], Outages(Chores()))


def passed(hours: int) -> time:
    """The time of day that it was so many hours ago; to the second, in UTC."""
    return (now() - timedelta(hours=hours)).time().replace(microsecond=0)


def put_back(session: Tx, days: float) -> None:
    """As if it had been done so many days earlier."""
    session.execute(
        "UPDATE chores SET due_at = due_at - make_interval(secs => %s)", (days * 86400,)
    )


def test_a_new_chore_is_done_at_once_and_then_once_a_day(session: Tx) -> None:
    diary = Diary(passed(hours=1))

    for _ in range(3):
        diary.host().look()
    first = list(diary.entries)
    put_back(session, days=1)
    for _ in range(3):
        diary.host().look()

    assert (first, diary.entries) == (["done"], ["done"] * 2)


def test_a_chore_is_due_at_its_time_in_utc_of_today_or_else_of_yesterday(session: Tx) -> None:
    for hours in (1, 23):
        diary = Diary(passed(hours))
        session.execute("DELETE FROM chores")

        diary.host().look()

        row = session.execute("SELECT due_at, done_at FROM chores").fetchone()
        assert row is not None
        due = row[0].astimezone(UTC)
        assert due.time() == diary.chore.when
        assert timedelta(0) < datetime.now(UTC) - due < timedelta(days=1)
        assert row[1] > due


def test_days_that_were_missed_are_made_up_for_once(session: Tx) -> None:
    diary = Diary(passed(hours=1))
    diary.host().look()
    put_back(session, days=40)

    for _ in range(3):
        diary.host().look()

    assert diary.entries == ["done"] * 2


def test_many_hosts_at_once_do_it_once(session: Tx) -> None:
    diary = Diary(passed(hours=1))
    diary.host().look()
    hosts = [diary.host() for _ in range(4)]
    put_back(session, days=1)

    threads = [threading.Thread(target=host.look) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert diary.entries == ["done"] * 2


def test_what_went_wrong_is_told_and_done_by_another_host(session: Tx) -> None:
    diary, mine = Diary(passed(hours=1)), StoreAway("gone")
    diary.wrong = [mine]
    first = diary.host()

    with capture_logs() as lines:
        first.look()
        first.look()  # not at once again
        wrong = list(diary.entries)
        diary.host().look()

    assert [line["event"] for line in lines] == ["chore.postponed", "chore.done"]
    assert (wrong, diary.entries) == ([], ["done"])
