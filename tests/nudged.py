"""What waits in the broker of this process's tests, a Valkey; import `tests.broker_first` first."""

from typing import Any, cast

import redis
from dramatiq import Message

from workers.broker import broker
from workers.on_redis import NAMESPACE, OnRedis
from workers.queues import Queue


def client() -> "redis.Redis":
    """The broker's own connection."""
    assert isinstance(broker, OnRedis)
    return cast("redis.Redis", broker.client)


def empty() -> None:
    """Nothing waits in any queue, and no worker was seen."""
    for key in client().scan_iter(f"{NAMESPACE}:*"):
        client().delete(key)


def waiting(queue: Queue = Queue.CLICKS) -> int:
    """How many nudges wait."""
    return int(cast(Any, client().llen(f"{NAMESPACE}:{queue}")))


def forget(queue: Queue) -> None:
    """Lose what waits in a queue."""
    client().delete(f"{NAMESPACE}:{queue}")


def actors(queue: Queue) -> list[str]:
    """The actors that the waiting nudges name, in order."""
    ids: Any = client().lrange(f"{NAMESPACE}:{queue}", 0, -1)
    found: Any = [client().hget(f"{NAMESPACE}:{queue}.msgs", one) for one in ids]
    return [Message.decode(one).actor_name for one in found]
