"""The broker on Redis: dramatiq's lists of nudges, and a sorted set of workers for each queue."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import redis
from dramatiq import Middleware
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from base.clock import wall_ms
from workers.attendance import Attendance, BrokerAway
from workers.queues import Queue

NAMESPACE = "hopfleet:broker"
WORKER_SEEN_SECONDS = 15


def workers_key(queue: Queue) -> str:
    """The sorted set of workers on a queue; scores are when each was last seen, in ms."""
    return f"{NAMESPACE}:workers:{queue}"


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise BrokerAway(type(error).__name__) from error


class OnRedis(RedisBroker):
    """Stock dramatiq, and who is there. Its own methods raise `BrokerAway`."""

    def __init__(self, url: str, middleware: list[Middleware]) -> None:
        # No client-side repeats: a nudge repeated is harmless, one delayed by retries is not.
        client = redis.Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        super().__init__(  # type: ignore[no-untyped-call]
            client=client,
            namespace=NAMESPACE,
            middleware=middleware,
            heartbeat_timeout=15_000,
            maintenance_chance=20_000,
        )

    def attendance(self, queue: Queue) -> Attendance:
        """How many nudges wait, and how many workers were seen lately."""
        since = wall_ms() - WORKER_SEEN_SECONDS * 1000
        with _away():
            waiting = self.client.llen(f"{NAMESPACE}:{queue}")
            return Attendance(
                int(waiting), int(self.client.zcount(workers_key(queue), since, "+inf"))
            )

    def seen(self, queues: Iterable[Queue], name: str) -> None:
        """Say that worker `name` is alive on `queues`."""
        now = wall_ms()
        with _away(), self.client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.zadd(workers_key(queue), {name: now})
                pipe.zremrangebyscore(workers_key(queue), 0, now - 10 * WORKER_SEEN_SECONDS * 1000)
            pipe.execute()

    def gone(self, queues: Iterable[Queue], name: str) -> None:
        """Say that worker `name` has ended."""
        with _away():
            for queue in queues:
                self.client.zrem(workers_key(queue), name)

    def describe(self) -> str:
        """One sentence about the server."""
        with _away():
            # A write: a broker that is full or a replica answers, and takes no nudge.
            self.client.set(f"{NAMESPACE}:probe", 1, px=1000)
        return "It answers."
