"""Nudges: few, soon, and harmless when nobody hears them."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from base.clock import sleep, steady
from tests import nudged
from tests.nudged import waiting
from tests.reading import ROOT
from workers import nudges
from workers.nudges import Nudger, nudge
from workers.on_redis import workers_key
from workers.queues import Queue


@pytest.fixture(autouse=True)
def _empty(empty_broker: None) -> None:
    """No nudge waits."""


def until(true: Callable[[], bool]) -> None:
    end = steady() + 5
    while not true():
        assert steady() < end
        sleep(0.005)


def test_at_most_two_wait_when_no_worker_was_seen() -> None:
    sent = [nudge(Queue.CLICKS) for _ in range(5)]

    assert sent == [True, True, False, False, False]
    assert (waiting(), waiting(Queue.CONVERSIONS)) == (2, 0)


def test_at_most_two_wait_for_each_worker() -> None:
    for name in ("one", "two", "two", "three"):
        nudges.seen([Queue.CLICKS, Queue.CONVERSIONS], name)

    assert sum(nudge(Queue.CLICKS) for _ in range(20)) == 6


def test_a_worker_that_has_ended_or_was_not_seen_lately_does_not_count() -> None:
    nudges.seen([Queue.CLICKS], "ended")
    nudges.gone([Queue.CLICKS], "ended")
    nudged.client().zadd(workers_key(Queue.CLICKS), {"silent": 1})

    assert sum(nudge(Queue.CLICKS) for _ in range(20)) == 2


def test_workers_that_were_silent_for_long_are_forgotten() -> None:
    nudged.client().zadd(workers_key(Queue.CLICKS), {"silent": 1})

    nudges.seen([Queue.CLICKS], "alive")

    assert nudged.client().zrange(workers_key(Queue.CLICKS), 0, -1) == [b"alive"]


def test_the_first_that_is_asked_for_goes_at_once() -> None:
    nudger = Nudger()

    nudger.ask(Queue.CLICKS)
    nudger.ask(Queue.CONVERSIONS)

    until(lambda: waiting() == 1 and waiting(Queue.CONVERSIONS) == 1)
    nudger.stop()


def test_a_thousand_requests_are_few_nudges_and_the_last_is_not_lost() -> None:
    nudges.seen([Queue.CLICKS], "worker")  # so that the count of those waiting does not stop them
    nudger = Nudger()
    began = steady()

    for _ in range(1_000):
        nudger.ask(Queue.CLICKS)
    until(lambda: waiting() >= 1)
    nudged.forget(Queue.CLICKS)
    nudger.ask(Queue.CLICKS)

    until(lambda: waiting() >= 1)
    assert waiting() <= 1 + (steady() - began) / nudges.INTERVAL_SECONDS
    nudger.stop()


def test_asking_never_breaks_the_thread_that_sends() -> None:
    nudger = Nudger()
    queues = list(nudges.ACTORS)

    end = steady() + 1
    while steady() < end:
        for queue in queues:
            nudger.ask(queue)

    assert nudger._thread.is_alive()
    nudger.stop()


WITHOUT_BROKER = """
from base.clock import sleep
from workers.nudges import Nudger
from workers.queues import Queue
nudger = Nudger()
for _ in range(20):
    nudger.ask(Queue.CLICKS)
    sleep(0.01)
print(nudger._thread.is_alive())
nudger.stop()
"""


def test_a_broker_that_is_away_is_one_warning_and_costs_nobody_anything() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_BROKER],
        cwd=ROOT,
        env={**os.environ, "HOPFLEET_REDIS_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines()[-1] == "True"
    assert (ran.stdout + ran.stderr).count("broker.away") == 1
