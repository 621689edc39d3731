"""A worker process that is half dead must end: something restarts a process, nothing a thread."""

import os
import threading
from collections.abc import Iterable
from typing import Any

from dramatiq import Broker, Middleware, Worker

from base.logs import log
from base.memory import settle
from journal.claims import consumer_name
from rules import devices
from workers import nudges, stopping
from workers.attendance import BrokerAway
from workers.queues import Queue

LOOK_SECONDS = 1.0
SAY_ALIVE_EVERY = 5  # looks
EXIT_CODE = 70  # "internal software error", as in sysexits.h


class Lifeline(Middleware):
    """Watches dramatiq's threads, says which queues have workers, and hears the word to stop."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        if {Queue.CLICKS, Queue.CONVERSIONS} & worker.consumers.keys():
            devices.prepare()
        settle()
        threading.Thread(target=self._watch, args=(worker,), name="lifeline", daemon=True).start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        stopping.tell()
        self._ended.set()

    def _watch(self, worker: Worker) -> None:
        name = consumer_name()  # two containers may share a host's name and every pid
        queues = [queue for queue in Queue if queue in worker.consumers]
        look = 0
        while not self._ended.wait(LOOK_SECONDS):
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


def _say(queues: list[Queue], name: str, *, alive: bool = True) -> None:
    try:
        if alive:
            nudges.seen(queues, name)
        else:
            nudges.gone(queues, name)
    except BrokerAway as error:
        log().warning("broker.away", reason=str(error))
