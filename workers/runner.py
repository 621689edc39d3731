"""One worker process: stock dramatiq in this process, ended by a signal in seconds."""

from dramatiq import Worker

from base import signals
from base.errors import Misused
from base.logs import configure, log
from base.settings import settings
from workers import stopping
from workers.queues import Queue

STOP_MS = 4_000  # a transaction takes at most three


def run(queues: list[str], threads: int | None = None, poll_ms: int | None = None) -> None:
    """Work on `queues` until SIGTERM or SIGINT; a second signal ends at once.

    Raises `Misused` for a queue there is none of. `poll_ms` bounds how long an idle queue's
    message waits.
    """
    unknown = [queue for queue in queues if queue not in list(Queue)]
    if unknown or not queues:
        names = ", ".join(Queue)
        raise Misused(f"No such queue: {', '.join(unknown) or '(none)'}; the queues are {names}.")
    chosen = settings()
    configure(chosen.log_level, "worker-" + "-".join(queues))
    signals.hold()
    # Imported here: only now is it known that this process needs a broker.
    from workers.fleet import broker

    worker = Worker(
        broker,
        queues=set(queues),
        worker_threads=threads or chosen.worker_threads,
        worker_timeout=poll_ms or chosen.worker_poll_ms,
    )
    worker.start()
    log().info("worker.started", queues=queues)
    signals.wait()
    stopping.tell()
    worker.stop(timeout=STOP_MS)
    log().info("worker.stopped")
