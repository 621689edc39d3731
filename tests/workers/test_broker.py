"""The broker's rules: no retries, nothing old, and a limit on every actor."""

import os
import subprocess
import sys

import pytest
from dramatiq.middleware import AgeLimit, Retries, TimeLimit

from base.errors import Misused
from tests.reading import ROOT
from workers import clicks, conversions, held, nudges, runner
from workers.broker import MAX_AGE_MS, broker
from workers.maintenance import purges
from workers.queues import JOURNAL_QUEUES, Queue

ACTORS = (clicks.drain, conversions.drain, held.release, purges.run)


def test_messages_are_never_retried_and_go_stale_in_a_minute() -> None:
    kinds = [type(one) for one in broker.middleware]

    assert Retries not in kinds
    assert TimeLimit in kinds
    (age,) = [one for one in broker.middleware if isinstance(one, AgeLimit)]
    assert age.max_age == MAX_AGE_MS == 60_000


@pytest.mark.parametrize("actor", ACTORS)
def test_every_actor_states_its_time_limit_and_a_queue_there_is(actor: object) -> None:
    options = actor.options  # type: ignore[attr-defined]

    assert 0 < options["time_limit"] <= 3_600_000
    assert actor.queue_name in list(Queue)  # type: ignore[attr-defined]


def test_every_declared_actor_is_known_here() -> None:
    assert set(broker.actors.values()) == set(ACTORS)


def test_the_eight_queues_are_declared() -> None:
    assert set(Queue) <= set(broker.get_declared_queues())
    assert len(Queue) == 8


def test_a_nudge_names_an_actor_of_its_own_queue() -> None:
    for queue, name in nudges.ACTORS.items():
        assert broker.get_actor(name).queue_name == queue
    assert set(nudges.ACTORS) <= set(JOURNAL_QUEUES.values())


@pytest.mark.parametrize("queues", [[], ["nope"], ["clicks", "nope"], [""]])
def test_a_worker_refuses_queues_there_are_none_of(queues: list[str]) -> None:
    with pytest.raises(Misused, match="the queues are clicks, conversions"):
        runner.run(queues)


def test_an_address_that_is_no_redis_is_one_sentence() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import workers.broker"],
        cwd=ROOT,
        env={**os.environ, "HOPFLEET_BROKER_URL": "http://127.0.0.1"},
        capture_output=True,
        text=True,
    )

    assert ran.returncode != 0
    assert "Misused" in ran.stderr.splitlines()[-1]


HALF_DEAD = """
import ctypes, threading
from base.clock import sleep
from workers import runner

def wound() -> None:
    name = {victim!r}
    while True:
        for thread in threading.enumerate():
            if type(thread).__name__ == name:
                sleep(0.5)
                ident = ctypes.c_ulong(thread.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
                return
        sleep(0.01)

threading.Thread(target=wound, daemon=True).start()
runner.run(["clicks"])
"""


@pytest.mark.parametrize("victim", ["ConsumerThread", "WorkerThread"])
def test_a_worker_that_is_half_dead_ends(redis_url: str, victim: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HALF_DEAD.format(victim=victim)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ran.returncode == 70
    assert "worker.half_dead" in ran.stderr
