"""The one broker; whoever declares or sends an actor imports it, so that it exists first.

Stock dramatiq: a message is a nudge without payload, so that whatever the broker loses, repeats
or delays costs time, not work. Retries live in rows, hence none here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

import dramatiq
from dramatiq.middleware import ShutdownNotifications, TimeLimit

from base.errors import Misused
from base.settings import settings
from workers.gate import gated
from workers.middleware import BindLogs
from workers.on_rabbitmq import OnRabbitmq
from workers.on_redis import OnRedis
from workers.queues import Queue

P = ParamSpec("P")


KINDS: dict[str, type[OnRedis] | type[OnRabbitmq]] = {
    **dict.fromkeys(("redis", "rediss", "unix"), OnRedis),
    **dict.fromkeys(("amqp", "amqps"), OnRabbitmq),
}


def _make() -> OnRedis | OnRabbitmq:
    url = settings().broker
    kind = KINDS.get(url.partition("://")[0])
    # No age limit: it compares two hosts' clocks, and a worker two minutes ahead would drop every
    # nudge. An old one costs a look; at most two a worker wait.
    middleware = [BindLogs(), TimeLimit(), ShutdownNotifications()]
    try:
        if kind is None:
            raise ValueError
        made = kind(url, middleware)
    except (ValueError, TypeError, OSError):
        # Without the cause, which quotes the address and its password.
        raise Misused(
            "HOPFLEET_BROKER_URL is no address of a broker: it looks like redis://host:6379/0 or"
            " amqp://user:password@host:5672/vhost (rediss:// and amqps:// with TLS)."
        ) from None
    for queue in Queue:
        made.declare_queue(queue)
    return made


broker = _make()
dramatiq.set_broker(broker)


def actor(
    name: str, *, queue: Queue, time_limit_seconds: float, takes_turns: bool = False
) -> Callable[[Callable[P, None]], "dramatiq.Actor[P, None]"]:
    """Declare an actor: `noun.verb`, its queue, and how long one run may take at most.

    The gate lets it in or not, unless it `takes_turns` by itself, as drains do.
    """
    declare: Any = partial(
        dramatiq.actor,
        broker=broker,
        actor_name=name,
        queue_name=queue,
        time_limit=int(time_limit_seconds * 1000),
    )

    def made(run: Callable[P, None]) -> "dramatiq.Actor[P, None]":
        declared: dramatiq.Actor[P, None] = declare(run if takes_turns else gated(name, queue, run))
        return declared

    return made
