"""Conversions: what the journal holds of sales, refunds and rebills becomes rows."""

from journal.streams import Kind
from workers.broker import actor
from workers.drain import drained
from workers.queues import Queue


@actor("conversions.drain", queue=Queue.CONVERSIONS, time_limit_seconds=60, takes_turns=True)
def drain() -> None:
    """Store what waits; may run many times at once, or twice."""
    drained(Kind.CONVERSIONS)
