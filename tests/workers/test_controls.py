"""What operators say of queues: a pause takes nothing up and loses nothing, a width is kept."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from base.clock import sleep, steady
from db import controls as said
from db import processes, purges
from db.connection import Tx
from db.controls import PAUSED, RUNNING
from journal import claims
from journal.claims import STALE_MS
from journal.streams import GROUP, Kind, stream
from tests import make, nudged
from tests.conftest import Connect
from tests.journal.putting import put
from tests.workers.items import batch, item, rows
from workers import controls, drain, gate, nudges
from workers.maintenance.purges import run as run_purges
from workers.queues import Queue
from workers.turns import Turns

CLICKS = Kind.CLICKS


def until(true: Any, seconds: float = 5) -> None:
    end = steady() + seconds
    while not true():
        assert steady() < end
        sleep(0.005)


@pytest.fixture
def session(connect: Connect, journal: str, empty_broker: None) -> Tx:
    """Looks at what was committed, and says how queues are to be."""
    claims.make_group(CLICKS)
    return connect()


@pytest.fixture
def watched(session: Tx) -> Iterator[None]:
    """This process looks at the controls, as a worker does."""
    controls.watch("tests-1", "worker", list(Queue))
    controls.first_look()
    yield
    controls.stop()
    controls._known.controls = {}


def say(session: Tx, queue: Queue, state: str) -> None:
    """Say it, and wait until this process knows."""
    said.set_state(session, queue, state)
    until(lambda: controls.paused(queue) == (state == PAUSED))


def pending() -> int:
    found: Any = claims.client().xpending(stream(CLICKS), GROUP)
    return int(found["pending"])


def test_a_paused_queue_claims_nothing_and_goes_on_when_resumed(
    session: Tx, journal: str, watched: None
) -> None:
    user = make.user(session)["id"]
    put(journal, batch(item(user)))
    say(session, Queue.CLICKS, PAUSED)

    while_paused = (drain.drain(CLICKS), pending(), nudges.nudge(Queue.CLICKS))
    say(session, Queue.CLICKS, RUNNING)

    assert while_paused == (0, 0, False)
    assert nudged.waiting() == 0
    assert drain.drain(CLICKS) == 1


def test_a_paused_queue_leaves_work_rows_alone_and_another_goes_on(
    session: Tx, journal: str, watched: None
) -> None:
    user = make.user(session)["id"]
    put(journal, batch(item(user)))
    purges.mark(session, "user", make.user(session)["id"])
    say(session, Queue.MAINTENANCE, PAUSED)

    run_purges()

    assert session.execute("SELECT state FROM purges").fetchall() == [("pending",)]
    assert drain.drain(CLICKS) == 1


def test_what_a_pause_left_claimed_comes_first_whoever_goes_on(
    session: Tx, connect: Connect, journal: str, watched: None
) -> None:
    user = make.user(session)["id"]
    put(journal, *[batch(item(user)) for _ in range(5)])
    drain._sizes[CLICKS] = 1  # a transaction for each batch
    blocker = connect()
    with ThreadPoolExecutor(2) as threads, blocker.transaction():
        blocker.execute("LOCK TABLE analytics_events IN SHARE MODE")
        first = threads.submit(drain.drain, CLICKS)
        until(lambda: _blocked(session))
        say(session, Queue.CLICKS, PAUSED)
        blocker.execute("COMMIT")
        first.result(5)
    stored, claimed = len(rows(session)), pending()
    say(session, Queue.CLICKS, RUNNING)
    began = steady()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(drain.drain, CLICKS).result(5)

    assert (stored, claimed) == (1, 4)
    assert (len(rows(session)), pending()) == (5, 0)
    assert steady() - began < STALE_MS / 1000  # nobody had to be taken for dead


def _blocked(session: Tx) -> int:
    row = session.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    ).fetchone()
    return int(row[0]) if row else 0


def test_who_looks_and_has_seen_nothing_yet_claims_nothing(
    session: Tx, journal: str, watched: None
) -> None:
    put(journal, batch(item(make.user(session)["id"])))
    controls.stop()
    controls._known.controls = None

    assert drain.drain(CLICKS) == 0
    assert not controls.paused(Queue.CLICKS)  # doors go on nudging


def test_a_process_that_looks_is_on_the_list_until_it_ends(session: Tx, watched: None) -> None:
    there = [(row.name, row.role, row.queues) for row in processes.alive(session)]
    controls.stop()

    assert there == [("tests-1", "worker", list(Queue))]
    until(lambda: processes.alive(session) == [])


def test_who_is_silent_is_not_counted_on_and_forgotten_later(session: Tx) -> None:
    processes.seen(session, "old", "scheduler", [])
    processes.seen(session, "new", "scheduler", [])
    session.execute("UPDATE processes SET seen_at = now() - '16 s'::interval WHERE name = 'old'")
    alive = [row.name for row in processes.alive(session, "scheduler")]
    session.execute("UPDATE processes SET seen_at = now() - '2 days'::interval WHERE name = 'old'")

    assert alive == ["new"]
    assert processes.prune(session, 24) == 1


def test_the_gate_lets_in_as_many_as_were_said(session: Tx, watched: None) -> None:
    said.set_threads(session, Queue.MAINTENANCE, 2)
    until(lambda: controls.threads(Queue.MAINTENANCE) == 2)
    ran, hold = [], threading.Event()

    def work() -> None:
        ran.append(1)
        hold.wait(5)

    gated = gate.gated("test.work", Queue.MAINTENANCE, work)
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(gated) for _ in range(4)]
        until(lambda: sum(run.done() for run in runs) == 2)
        inside = len(ran)
        hold.set()
    gated()

    assert (inside, len(ran)) == (2, 3)


def test_a_backlog_is_stored_by_as_many_threads_as_were_said(
    session: Tx, connect: Connect, journal: str, watched: None
) -> None:
    user = make.user(session)["id"]
    put(journal, *[batch(*[item(user) for _ in range(2_000)]) for _ in range(10)])
    said.set_threads(session, Queue.CLICKS, 3)
    until(lambda: controls.threads(Queue.CLICKS) == 3)
    drain._turns.backlog(CLICKS, there=True)
    drain._consumers[CLICKS].clear()  # those that remember small batches would take all of these
    blocker = connect()
    with ThreadPoolExecutor(4) as threads, blocker.transaction():
        blocker.execute("LOCK TABLE analytics_events IN SHARE MODE")
        drains = [threads.submit(drain.drain, CLICKS) for _ in range(4)]
        until(lambda: _blocked(session) == 3)
        without_a_turn = sum(one.done() for one in drains)
        blocker.execute("COMMIT")

    assert without_a_turn == 1
    assert sum(one.result() for one in drains) == len(rows(session)) == 20_000


def test_turns_are_as_wide_as_said_with_a_backlog_and_narrow_at_once() -> None:
    width = 3
    turns = Turns(lambda _: width)
    alone = [turns.enter(CLICKS), turns.enter(CLICKS)]
    turns.backlog(CLICKS, there=True)
    more = [turns.enter(CLICKS) for _ in range(3)]
    width = 1

    assert (alone, more) == ([True, False], [True, True, False])
    assert [turns.leave_if_too_many(CLICKS) for _ in range(3)] == [True, True, False]
