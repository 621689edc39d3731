"""A worker process that is half dead must end: something restarts a process, nothing a thread."""

import os
import threading
from collections.abc import Iterable
from typing import Any

from dramatiq import Broker, Middleware, Worker

from admin.pulse import silent
from admin.watch import Watch
from base.clock import steady
from base.logs import log
from base.memory import settle
from journal.claims import consumer_name
from rules import devices
from workers import billing, nudges, stopping, tally
from workers.attendance import BrokerAway
from workers.queues import Queue
from workers.watching import watch

LOOK_SECONDS = 1.0
SAY_ALIVE_EVERY = 5  # looks
MOST_SILENT_SECONDS = 30.0  # a look waits for a broker that hangs, but not for so long
EXIT_CODE = 70  # "internal software error", as in sysexits.h


class Lifeline(Middleware):
    """Watches dramatiq's threads, says which queues have workers, and hears the word to stop."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._watching: Watch | None = None
        self._beat = steady()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        if {Queue.CLICKS, Queue.CONVERSIONS} & worker.consumers.keys():
            devices.prepare()
        self._open(worker)
        settle()
        threading.Thread(target=self._watch, args=(worker,), name="lifeline", daemon=True).start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        stopping.tell()
        # Else they would go on fetching nudges, up to the end of the last transaction, that
        # somebody else could act on.
        for consumer in worker.consumers.values():
            consumer.pause()
        self._ended.set()
        if self._watching is not None:
            self._watching.close()

    def _open(self, worker: Worker) -> None:
        """Here, and not where the process starts: stock dramatiq forks several before this."""
        watching = self._watching = watch("worker")
        watching.part("threads", lambda: _says_dead(worker))
        watching.part("lifeline", lambda: silent(self._beat, MOST_SILENT_SECONDS))
        watching.numbers(tally.collect)
        watching.numbers(billing.collect)
        watching.open(queues=[queue for queue in Queue if queue in worker.consumers])

    def _watch(self, worker: Worker) -> None:
        name = consumer_name()  # two containers may share a host's name and every pid
        queues = [queue for queue in Queue if queue in worker.consumers]
        look = 0
        while not self._ended.wait(LOOK_SECONDS):
            self._beat = steady()
            if dead := _dead_thread(worker):
                log().error("worker.half_dead", thread=dead)
                os._exit(EXIT_CODE)
            if look % SAY_ALIVE_EVERY == 0:
                _say(queues, name)
            look += 1
        _say(queues, name, alive=False)


def _dead_thread(worker: Worker) -> str | None:
    threads: Iterable[Any] = [*worker.workers, *worker.consumers.values()]
    return next((type(thread).__name__ for thread in threads if not thread.is_alive()), None)


def _says_dead(worker: Worker) -> str | None:
    dead = _dead_thread(worker)
    return f"a {dead} has ended" if dead else None


def _say(queues: list[Queue], name: str, *, alive: bool = True) -> None:
    try:
        if alive:
            nudges.seen(queues, name)
        else:
            nudges.gone(queues, name)
    except BrokerAway as error:
        log().warning("broker.away", reason=str(error))
