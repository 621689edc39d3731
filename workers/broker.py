"""The one broker; whoever declares or sends an actor imports it, so that it exists first.

Stock dramatiq: a message is a nudge without payload, so that whatever the broker loses, repeats
or delays costs time, not work. Retries live in rows, hence none here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, ShutdownNotifications, TimeLimit
from redis.backoff import NoBackoff
from redis.retry import Retry

from base.errors import Misused
from base.settings import settings
from workers.middleware import BindLogs
from workers.queues import Queue

NAMESPACE = "hopfleet:broker"
MAX_AGE_MS = 60_000  # the sweep has sent a fresh nudge long before

P = ParamSpec("P")
R = TypeVar("R")


def _make() -> RedisBroker:
    url = settings().broker
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise Misused("HOPFLEET_BROKER_URL must be a redis:// or rediss:// address.")
    # No client-side repeats: a nudge repeated is harmless, one delayed by retries is not.
    client = redis.Redis.from_url(
        url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    made = RedisBroker(  # type: ignore[no-untyped-call]
        client=client,
        namespace=NAMESPACE,
        middleware=[BindLogs(), AgeLimit(max_age=MAX_AGE_MS), TimeLimit(), ShutdownNotifications()],
        heartbeat_timeout=15_000,
        maintenance_chance=20_000,
    )
    for queue in Queue:
        made.declare_queue(queue)
    return made


broker = _make()
dramatiq.set_broker(broker)


def actor(
    name: str, *, queue: Queue, time_limit_seconds: float
) -> Callable[[Callable[P, R]], "dramatiq.Actor[P, R]"]:
    """Declare an actor: `noun.verb`, its queue, and how long one run may take at most."""
    declare: Any = partial(
        dramatiq.actor,
        broker=broker,
        actor_name=name,
        queue_name=queue,
        time_limit=int(time_limit_seconds * 1000),
    )
    made: Callable[[Callable[P, R]], dramatiq.Actor[P, R]] = declare
    return made
