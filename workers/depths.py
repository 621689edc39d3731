"""What waits in each queue, counted in events and rows, whoever holds it; read from the stores."""

from typing import NamedTuple

from db import (
    bonus_claims,
    deliveries,
    held,
    product_syncs,
    publications,
    purges,
    webhooks,
    work,
    workflow_events,
)
from db.connection import Tx
from journal import claims
from journal.streams import Kind
from workers.queues import JOURNAL_QUEUES, Queue

# Which work rows a queue's actors look after, beside the journal. Those of a journal queue are
# told apart by their kind.
TABLES: dict[Queue, list[work.Table]] = {
    Queue.MAINTENANCE: [purges.Purge],
    Queue.BONUSES: [deliveries.BonusDelivery, bonus_claims.BonusClaim],
    Queue.WEBHOOKS: [webhooks.Webhook],
    Queue.WORKFLOWS: [workflow_events.WorkflowEvent],
    Queue.PRODUCTS: [product_syncs.ProductSync],
}

Rows = dict[Queue, list[work.Depth]]
Streams = dict[Queue, list[claims.Depth]]


class QueueDepth(NamedTuple):
    """One queue: what waits or is worked on, since when the first; what is dead, and why."""

    queue: Queue
    depth: int  # in flight included
    oldest_seconds: float
    in_flight: int
    retrying: int  # rows that were tried before
    dead: dict[str, int]  # by reason


def read(tx: Tx) -> list[QueueDepth]:
    """One for each queue, in their order; raises `StoreAway`, and `ValueError` for an address."""
    return together(rows(tx), streams())


def rows(tx: Tx) -> Rows:
    """What the work tables hold."""
    held_of = work.depths(tx, held.HeldEvent, "kind")
    found: Rows = {
        queue: [part for table in tables for part in work.depths(tx, table).values()]
        for queue, tables in TABLES.items()
    }
    found[Queue.CONTENT] = [publications.depth(tx)]
    for kind, queue in JOURNAL_QUEUES.items():
        if kind in held_of:
            found.setdefault(queue, []).append(held_of[kind])
    return found


def streams() -> Streams:
    """What the journal holds; raises `StoreAway`."""
    found: Streams = {}
    for kind in Kind:
        found.setdefault(JOURNAL_QUEUES[kind], []).append(claims.depth(kind))
    return found


def together(rows: Rows, streams: Streams) -> list[QueueDepth]:
    """Both, one for each queue."""
    return [_sum(queue, rows.get(queue, []), streams.get(queue, [])) for queue in Queue]


def _sum(queue: Queue, rows: list[work.Depth], streams: list[claims.Depth]) -> QueueDepth:
    dead: dict[str, int] = {}
    for part in rows:
        for reason, count in part.dead.items():
            dead[reason] = dead.get(reason, 0) + count
    oldest = [part.oldest_seconds for part in rows] + [part.oldest_seconds for part in streams]
    return QueueDepth(
        queue,
        sum(part.items for part in streams) + sum(part.waiting + part.running for part in rows),
        max(oldest, default=0.0),
        sum(part.in_flight for part in streams) + sum(part.running for part in rows),
        sum(part.retrying for part in rows),
        dead,
    )
