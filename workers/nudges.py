"""Nudges: "look there", sent from a thread, throttled, and only while few enough wait.

A nudge that is not sent, or is lost, costs at most a second: the scheduler sweeps the records.
"""

import threading
from collections.abc import Iterable

from dramatiq import Message

from base.logs import log
from workers import controls
from workers.broker import broker
from workers.queues import Queue

INTERVAL_SECONDS = 0.05
PER_WORKER = 2
_SAY_EVERY = 600  # failed rounds; the broker's absence is one fact, not one per click

# Which actor looks after a queue's records.
ACTORS = {
    Queue.CLICKS: "clicks.drain",
    Queue.CONVERSIONS: "conversions.drain",
    Queue.WEBHOOKS: "webhooks.drain",
}


def seen(queues: Iterable[Queue], name: str) -> None:
    """Say that worker `name` is alive on `queues`; raises when the broker is away."""
    broker.seen(queues, name)


def gone(queues: Iterable[Queue], name: str) -> None:
    """Say that worker `name` has ended; raises when the broker is away."""
    broker.gone(queues, name)


def nudge(queue: Queue, actor_name: str | None = None) -> bool:
    """Send one nudge unless two per worker wait already; raises when the broker is away.

    None is sent for a paused queue; what waits there waits for the end of the pause.
    """
    if controls.paused(queue):
        return False
    there = broker.attendance(queue)
    if there.waiting >= PER_WORKER * max(1, there.workers):
        return False
    broker.enqueue(
        Message(
            queue_name=str(queue),
            actor_name=actor_name or ACTORS[queue],
            args=(),
            kwargs={},
            options={},
        )
    )
    return True


def try_nudge(queue: Queue, actor_name: str | None = None) -> None:
    """Send one nudge if that can be done; the sweep comes within a second anyway."""
    try:
        nudge(queue, actor_name)
    except Exception as error:  # whatever it is: the broker's troubles are not the work's
        log().warning("broker.away", reason=type(error).__name__)


class Nudger:
    """A thread that sends what others ask for: the first at once, then one each interval."""

    def __init__(self) -> None:
        self._asked: set[Queue] = set()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)
        self._thread.start()

    def ask(self, queue: Queue) -> None:
        """Have the queue's actor look soon; never blocks."""
        self._asked.add(queue)
        self._wake.set()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        self._stop.set()
        self._wake.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            # One by one: who asks adds to this very set, while we are at it.
            for _ in range(len(self._asked)):
                self._send(self._asked.pop())
            self._stop.wait(INTERVAL_SECONDS)

    def _send(self, queue: Queue) -> None:
        try:
            nudge(queue)
            self._failed = 0
        except Exception as error:  # whatever it is: a thread that ends would slow every click
            if self._failed % _SAY_EVERY == 0:
                log().warning("broker.away", reason=str(error) or type(error).__name__)
            self._failed += 1
