"""What operators have said of the queues, known to every process within a second.

One thread a process looks at the table, and says there that the process is alive. While
PostgreSQL is away what was read last goes on to hold.
"""

import threading
from collections.abc import Callable, Sequence

import psycopg
from psycopg.errors import UndefinedTable

from base.clock import steady
from base.errors import StoreAway
from base.logs import log
from db import controls, processes
from db.connection import transaction
from db.controls import DRAINING, PAUSED, Control
from workers import bot_lists
from workers.queues import Queue

LOOK_SECONDS = 0.5
FIRST_LOOK_SECONDS = 2.0
DATABASE_WAIT_SECONDS = 1.0

Changed = Callable[[Queue, Control, Control], None]  # of a queue: as it was, as it is

_UNSAID = Control()


class _Known:
    """What this process knows; `controls` is None while it looks and has seen nothing yet."""

    def __init__(self) -> None:
        self.controls: dict[str, Control] | None = {}
        self.watch: _Watch | None = None

    def of(self, queue: Queue) -> Control:
        return (self.controls or {}).get(queue, _UNSAID)


_known = _Known()


def may_claim(queue: Queue) -> bool:
    """Whether work of this queue may be taken up.

    A process that looks and could not read anything so far takes nothing up: the queue may be
    paused, and without PostgreSQL there is nothing to do anyway.
    """
    return _known.controls is not None and _known.of(queue).state != PAUSED


def paused(queue: Queue) -> bool:
    """Whether the queue is known to be paused."""
    return _known.of(queue).state == PAUSED


def draining() -> bool:
    """Whether a queue is known to be drained, or nothing is known."""
    if _known.watch is None or _known.controls is None:
        return True
    return any(control.state == DRAINING for control in _known.controls.values())


def threads(queue: Queue) -> int | None:
    """How many runs of each of its actors at once in a process; None leaves it to the process."""
    return _known.of(queue).threads


def watch(
    name: str, role: str, queues: Sequence[Queue] = (), changed: Changed | None = None
) -> None:
    """Begin to look; `changed` hears, from the thread that looks, of each of `queues`.

    `name` is one no process had before. A worker waits for the `first_look`.
    """
    stop()
    _known.controls = None
    _known.watch = _Watch(name, role, queues, changed)


def first_look() -> None:
    """Wait until something is known, at most two seconds."""
    if _known.watch is not None:
        _known.watch.looked.wait(FIRST_LOOK_SECONDS)


def stop() -> None:
    """Look no more, and take the process off the list; what is known goes on to hold."""
    if _known.watch is not None:
        _known.watch.end()
        _known.watch = None


class _Watch:
    """The thread that looks, and when it last said that the process is alive."""

    def __init__(
        self, name: str, role: str, queues: Sequence[Queue], changed: Changed | None
    ) -> None:
        self.looked = threading.Event()
        self._name, self._role, self._queues = name, role, queues
        self._changed = changed
        self._said_at: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="controls", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End after what it is doing."""
        self._ended.set()
        self._thread.join(DATABASE_WAIT_SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                if self._role == "worker":
                    bot_lists.look()  # before the first batch, too
                self._take(self._look())
            except UndefinedTable:
                self._take({})  # the tables of the release before: nobody can have said anything
            except (StoreAway, psycopg.Error):
                pass  # what is known goes on to hold; others tell of the outage
            except Exception:
                log().exception("controls.failed")
            self._ended.wait(LOOK_SECONDS)
        try:
            with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=5) as tx:
                processes.gone(tx, self._name)
        except (StoreAway, psycopg.Error):
            pass  # it is counted as gone when it has been silent for a while

    def _look(self) -> dict[str, Control]:
        due = self._said_at is None or steady() - self._said_at >= processes.SAY_SECONDS
        with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=5) as tx:
            if due:
                processes.seen(tx, self._name, self._role, [str(one) for one in self._queues])
            found = controls.read(tx)
        if due:
            self._said_at = steady()
        return found

    def _take(self, found: dict[str, Control]) -> None:
        before = _known.controls or {}
        _known.controls = found
        self.looked.set()
        for queue in self._queues:
            was, now = before.get(queue, _UNSAID), found.get(queue, _UNSAID)
            if was._replace(marks=None) != now._replace(marks=None):
                log().info("queue.controlled", of=queue, state=now.state, threads=now.threads)
                if self._changed is not None:
                    self._changed(queue, was, now)
