"""Webhooks: what the journal holds of networks' and Stripe's messages is taken in."""

from journal.streams import Kind
from workers.broker import actor
from workers.drain import drained
from workers.queues import Queue


@actor("webhooks.drain", queue=Queue.WEBHOOKS, time_limit_seconds=60, takes_turns=True)
def drain() -> None:
    """Take in what waits; may run many times at once, or twice."""
    drained(Kind.WEBHOOKS)
