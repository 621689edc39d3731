"""What `doctor` looks at in a broker's Redis: whether it is one of its own, and keeps in bounds."""

from collections.abc import Iterator
from typing import Any

import redis

from base.settings import settings
from ops.cli.findings import Finding, warning, well

BUDGET_SECONDS = 2.5
NAME = "broker's server"


def check() -> Iterator[Finding]:
    """Nothing of a RabbitMQ, nor while it is away, which another check tells."""
    url = settings().broker
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return
    if (told := _told(url)) is None:
        return
    found = [*_apart(told), *_bounded(told)]
    yield from found or [well(NAME, "It is apart from the journal's, and bounded.")]


def _told(url: str) -> dict[str, Any] | None:
    """What a server says of itself; None when it does not, or the address is none."""
    try:
        with redis.Redis.from_url(
            url, socket_timeout=BUDGET_SECONDS, socket_connect_timeout=BUDGET_SECONDS
        ) as client:
            told: Any = client.info()
    except (redis.RedisError, OSError, ValueError):
        return None
    return dict(told)


def _apart(told: dict[str, Any]) -> Iterator[Finding]:
    journal = _told(settings().journal)
    if journal is not None and journal.get("run_id") == told.get("run_id"):
        yield warning(
            NAME,
            "It is the journal's, too, which then puts every poll of every worker on disk: give"
            " broker and cache a Redis of their own (HOPFLEET_REDIS_URL).",
        )


def _bounded(told: dict[str, Any]) -> Iterator[Finding]:
    policy = told.get("maxmemory_policy")
    if policy not in (None, "noeviction"):
        yield warning(
            NAME,
            f"It evicts ({policy}), so nudges vanish when it is full: set maxmemory-policy to"
            " noeviction.",
        )
    if told.get("maxmemory") == 0:
        yield warning(
            NAME,
            "It has no maxmemory, so it may take all of its host's: set one, say 1gb.",
        )
