"""dramatiq's known ways to lose, keep or repeat a message: none of them touches the work.

A nudge says "look there" and carries nothing; the scheduler sends another within a second. Each
test does what a known failure does to the messages, and sees the work stored, once.

    F1  a retry is lost                        F14 a message that nobody can read
    F2  the time limit kills a thread          F15 the broker is full
    F3  a broken wire forgets what was held    F16 the broker is emptied, or fails over
    F4  a silent wire kills a consumer         F17 an acknowledgement is refused
    F5  a command runs twice                   F18 somebody hoards messages
    F6  a busy process counts as dead          F19 two messages with one id
    F7  a host's clock is ahead                F23 payloads grow
    F8  whoever held a message is gone         F24 unknown actors; queues without workers
    F9  KEYS blocks the broker                 F25 dead messages vanish after a week
    F10 delayed messages wait in line          F12, F13 one who stops or is killed

F11 (promotion of delayed messages), F20 (callbacks of groups), F21 and F22 (limiters) cannot touch
us: nothing is delayed, grouped, limited or retried by messages (test_broker.py says so).
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from base.clock import wall_ms
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.fleet import wires
from tests.fleet.program import until
from tests.journal.conftest import Valkey
from tests.reading import ROOT
from tests.workers import items
from tests.workers.crew import Crew, is_stored, stored
from tests.workers.test_broker import HALF_DEAD
from workers.on_redis import NAMESPACE
from workers.queues import Queue

CLICKS = f"{NAMESPACE}:{Queue.CLICKS}"


@pytest.fixture(scope="module")
def _crew(
    tmp_path_factory: pytest.TempPathFactory, _database: str, journal_url: str, redis_url: str
) -> Iterator[Crew]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"), ())
    made = Crew(tmp_path_factory.mktemp("crew"), valkey)
    yield made
    made.end()
    valkey.stop()


@pytest.fixture
def crew(_crew: Crew, journal: str, database: str) -> Iterator[Crew]:
    """Worker and scheduler with nothing to do; what a test does to them ends with it."""
    yield _crew
    _crew.reset()


@pytest.fixture
def session(connect: Connect) -> Tx:
    """A session in autocommit."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> make.Made:
    """A campaign whose links were clicked."""
    return make.campaign(session, user_id=make.user(session)["id"])


# --- messages that are lost, kept or repeated


def test_f01_a_message_whose_run_failed_and_that_is_lost(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    since = len(crew.worker.said(0))

    with crew.inside(campaign) as ids:
        until(lambda: crew.worker.says("drain.postponed", since), 10, "the run fails")
        crew.broker.flushall()

    is_stored(session, ids)


@pytest.mark.long
def test_f02_a_worker_whose_threads_have_died_ends_and_another_goes_on(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    wounded = subprocess.Popen(
        [sys.executable, "-c", HALF_DEAD.format(victim="WorkerThread")],
        cwd=ROOT, env=crew.worker.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    ids = []
    while wounded.poll() is None:
        ids += crew.put(campaign)
        is_stored(session, ids)

    assert wounded.returncode == 70
    is_stored(session, ids + crew.put(campaign))


def test_f03_a_wire_that_breaks_while_messages_are_held(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    with crew.inside(campaign) as ids:
        ids += crew.put(campaign)
        assert crew.wire.cut(reset=True)

    is_stored(session, ids)
    assert crew.keys("*.DQ*") == []  # nothing is ever delayed, so nothing delayed is forgotten


@pytest.mark.long
def test_f04_a_wire_that_is_silent_for_longer_than_a_timeout(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.wire.stall()
    ids = crew.put(campaign)
    since = len(crew.scheduler.said(0))
    until(lambda: crew.scheduler.says("chore.postponed", since), 20, "somebody gave up")

    crew.wire.flow()

    is_stored(session, ids)
    assert crew.worker.running()


def test_f05_a_command_whose_reply_was_lost(crew: Crew, session: Tx, campaign: make.Made) -> None:
    lost = crew.wire.swallowed
    crew.wire.swallow(wires.enqueue, times=2)

    ids = []
    while crew.wire.swallowed < lost + 2:
        ids += crew.put(campaign)
        is_stored(session, ids)

    assert len(ids) == len(stored(session))


@pytest.mark.long
def test_f06_a_busy_process_whose_messages_are_given_to_another(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.start(crew.another)

    with crew.inside(campaign) as ids:
        for _ in range(20):
            crew.nudge()

    is_stored(session, ids)


def test_f07_a_host_whose_clock_is_ahead_takes_everybodys_messages(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.start(crew.another)

    with crew.inside(campaign) as ids:
        clock = wall_ms() + 120_000
        args: list[Any] = ["fetch", clock, str(Queue.CLICKS), "ahead", 15_000, 1, 1, 1_000, 0]
        with crew.stranger.client.pipeline() as at_once:  # before the other worker takes it
            crew.stranger.scripts["dispatch"](args=args, keys=[NAMESPACE], client=at_once)
            at_once.keys(f"{NAMESPACE}:__acks__*.{Queue.CLICKS}")
            held = at_once.execute()[-1]
        assert held == []  # it runs a second time

    is_stored(session, ids)


def test_f08_a_message_whose_holder_is_gone(crew: Crew, session: Tx, campaign: make.Made) -> None:
    crew.worker.kill()
    ids = crew.put(campaign)
    until(crew.waiting, 5, "a nudge waits")
    assert crew.steal()

    crew.start(crew.worker)

    is_stored(session, ids)


def test_f09_a_broker_that_is_busy_with_the_dead(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.broker.mset({f"foreign:{number}": "x" for number in range(100_000)})
    crew.broker.zadd(f"{NAMESPACE}:__heartbeats__", {f"dead-{n}": 1 for n in range(100)})
    for number in range(100):
        crew.broker.sadd(f"{NAMESPACE}:__acks__.dead-{number}.elsewhere", "x")

    crew.stranger.maintenance_chance = 1_000_000
    ids = crew.put(campaign)
    crew.steal(0)

    is_stored(session, ids)


def test_f10_delayed_messages_far_ahead_hold_up_no_row_that_is_due(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    for _ in range(5_000):
        crew.nudge(delay_ms=3_600_000)
    with session.transaction():
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (campaign["user_id"],))
        ids = crew.put(campaign)
        until(lambda: items.held(session, "pending"), 10, "they wait for their owner")

    is_stored(session, ids)


@pytest.mark.long
def test_f12_a_worker_that_stops_holds_up_nobody(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.start(crew.another)
    crew.another.send(signal.SIGSTOP)
    with crew.inside(campaign) as ids:
        crew.worker.send(signal.SIGTERM)
        crew.another.send(signal.SIGCONT)
        others = crew.put(campaign)
        until(lambda: stored(session) == others, 8, "another worker stores what comes")
        crew.worker.wait(10)
    crew.age_claims()

    is_stored(session, ids + others)


def test_f13_a_worker_that_is_killed_in_the_middle(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    with crew.inside(campaign) as ids:
        crew.worker.kill()
    crew.age_claims()

    crew.start(crew.worker)

    is_stored(session, ids)


def test_f14_a_message_that_nobody_can_read(crew: Crew, session: Tx, campaign: make.Made) -> None:
    crew.broker.hset(f"{CLICKS}.msgs", "poison", "no JSON")
    crew.broker.rpush(CLICKS, "poison")
    for _ in range(3):
        crew.nudge()

    ids = crew.put(campaign)

    is_stored(session, ids)


# --- a broker in trouble


def test_f15_a_broker_that_is_full(crew: Crew, session: Tx, campaign: make.Made) -> None:
    crew.worker.kill()
    ids = crew.put(campaign)
    until(crew.waiting, 5, "a nudge waits")
    crew.broker.config_set("maxmemory", 1)
    crew.start(crew.worker)
    said = subprocess.run(
        [sys.executable, "-m", "ops", "doctor", "--json"],
        cwd=ROOT, env=crew.worker.environment, capture_output=True,
    )  # fmt: skip
    checks = {one["check"]: one for one in json.loads(said.stdout)["checks"]}
    meanwhile = stored(session)

    crew.broker.config_set("maxmemory", 0)

    is_stored(session, ids)
    assert meanwhile == []
    assert checks["broker"]["status"] == "broken"
    assert "OutOfMemory" in checks["broker"]["says"]


def test_f16_a_broker_that_is_emptied_or_fails_over(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    with crew.inside(campaign) as ids:
        crew.broker.flushall()
        crew.broker.replicaof("127.0.0.1", 1)
        ids += crew.put(campaign)
    crew.broker.replicaof("NO", "ONE")

    is_stored(session, ids)
    assert crew.worker.running()


def test_f17_a_run_whose_acknowledgement_is_refused(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    with crew.inside(campaign) as ids:
        crew.broker.replicaof("127.0.0.1", 1)
    until(lambda: stored(session) == ids, 5, "the work is done all the same")
    crew.broker.replicaof("NO", "ONE")
    ids += crew.put(campaign)

    is_stored(session, ids)


@pytest.mark.long
def test_f18_somebody_who_hoards_every_message(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.start(crew.another)
    crew.worker.send(signal.SIGSTOP)  # with what it has prefetched
    crew.steal()

    ids = crew.put(campaign)

    is_stored(session, ids)
    crew.worker.send(signal.SIGCONT)


def test_f19_two_messages_with_one_id(crew: Crew, session: Tx, campaign: make.Made) -> None:
    ids = crew.put(campaign)

    for _ in range(10):
        crew.nudge(message_id="one")

    is_stored(session, ids)


def test_f23_f24_f25_small_messages_of_unknown_actors_and_for_absent_workers(
    crew: Crew, session: Tx, campaign: make.Made
) -> None:
    crew.worker.kill()
    crew.nudge("clicks.of_another_release")
    ids = crew.put(campaign)
    until(lambda: len(crew.waiting()) > 1, 5, "nudges wait")
    sizes = [len(each) for each in crew.broker.hvals(f"{CLICKS}.msgs")]

    crew.start(crew.worker)

    is_stored(session, ids)
    assert crew.broker.zcard(f"{CLICKS}.XQ") == 1
    assert max(sizes) < 400
    crew.broker.delete(f"{CLICKS}.XQ", f"{CLICKS}.XQ.msgs")  # as after a week
    is_stored(session, ids + crew.put(campaign))
