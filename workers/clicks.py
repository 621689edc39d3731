"""Clicks: what the journal holds of clicks and views becomes rows."""

from journal.streams import Kind
from workers.broker import actor
from workers.drain import drained
from workers.queues import Queue


@actor("clicks.drain", queue=Queue.CLICKS, time_limit_seconds=60, takes_turns=True)
def drain() -> None:
    """Store what waits; may run many times at once, or twice."""
    drained(Kind.CLICKS)
