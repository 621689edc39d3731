"""A worker that obeys: as many threads as operators ask for, and awake when a pause ends."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from dramatiq import Broker, Middleware, Worker

from db.controls import PAUSED, Control
from workers import controls, nudges
from workers.drain import process_name
from workers.queues import Queue


class Orders(Middleware):
    """Knows the controls before the first message, and looks at them while the worker runs."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        wanted = worker.consumer_whitelist
        queues = [queue for queue in Queue if not wanted or queue in wanted]
        controls.watch(process_name(), "worker", queues, partial(_obey, broker, worker))
        controls.first_look()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        _widen(worker, worker.consumers)

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        controls.stop()


def _obey(broker: Broker, worker: Worker, queue: Queue, was: Control, now: Control) -> None:
    _widen(worker, [queue])
    if was.state == PAUSED != now.state:
        for actor in broker.actors.values():
            if actor.queue_name == queue:
                nudges.try_nudge(queue, actor.actor_name)


def _widen(worker: Worker, queues: Iterable[str]) -> None:
    """Add threads until one queue alone could use all that it may; too many only wait.

    dramatiq's threads share one queue of messages, so that one more is one more taker. What is
    fetched ahead bounds them, too; it holds at once, or from the next connection on.
    """
    most = max(
        (controls.threads(Queue(name)) or 0 for name in queues if name in list(Queue)), default=0
    )
    while worker.workers and len(worker.workers) < most:
        worker._add_worker()
    worker.queue_prefetch = max(worker.queue_prefetch, most)
    for consumer in worker.consumers.values():
        consumer.prefetch = max(consumer.prefetch, worker.queue_prefetch)
        connected: Any = consumer.consumer
        if hasattr(connected, "prefetch"):
            connected.prefetch = consumer.prefetch
