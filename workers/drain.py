"""From the journal to rows: claim batches, write them in one transaction, acknowledge.

Everything here may happen twice: the ledger admits a batch once, whoever writes it.
"""

import threading
from functools import cache

import psycopg

from base.clock import steady
from base.errors import StoreAway
from base.logs import log
from db import sessions
from db.connection import transaction
from journal.claims import Claimed, Consumer, consumer_name
from journal.streams import Kind
from workers import nudges
from workers.queues import JOURNAL_QUEUES
from workers.stopping import stopping
from workers.store import store

DRAIN_SECONDS = 5.0  # then another message goes on, so that a stop or a deploy waits for seconds
TRANSACTION_SECONDS = 3.0
ITEMS_A_TRANSACTION = 4_000
LOOK_FOR_STALE_SECONDS = 2.0
POOL_WAIT_SECONDS = 5.0

_here = threading.local()
_looked: dict[Kind, float] = {}


@cache
def process_name() -> str:
    """This process's consumer name, also its database sessions' name while it drains."""
    return consumer_name()


def _consumer(kind: Kind) -> Consumer:
    """This thread's consumer: two threads must not share claims."""
    mine: dict[Kind, Consumer] = _here.__dict__.setdefault("consumers", {})
    if kind not in mine:
        mine[kind] = Consumer(kind, f"{process_name()}-{threading.get_ident() % 1_000_000}")
    return mine[kind]


def drain(kind: Kind) -> int:
    """Store what waits in the journal, for at most five seconds; returns the items stored.

    Raises `StoreAway` when PostgreSQL or the journal is away: nothing is lost, the scheduler's
    sweep comes back every second.
    """
    consumer = _consumer(kind)
    end = steady() + DRAIN_SECONDS
    stored = 0
    while not stopping():
        found = _step(kind, consumer)
        stored += found
        if not found:
            break
        if steady() > end:
            nudges.nudge(JOURNAL_QUEUES[kind])
            break
    return stored


def _step(kind: Kind, consumer: Consumer) -> int:
    """One transaction: what is new, else what a dead worker left; returns the items."""
    # The connection first: while PostgreSQL is away nothing is claimed.
    with transaction(wait_seconds=POOL_WAIT_SECONDS) as tx:
        claimed = consumer.claim(ITEMS_A_TRANSACTION) or _take_over(kind, consumer, tx)
        if not claimed:
            return 0
        try:
            sessions.begin_drain(tx, consumer.name, TRANSACTION_SECONDS)
            done = store(tx, kind, claimed)
            tx.commit()
        except BaseException:
            consumer.failed()
            raise
    consumer.acknowledge(done)
    return sum(batch.count for batch in claimed)


def _take_over(kind: Kind, consumer: Consumer, tx: psycopg.Connection) -> list[Claimed]:
    now = steady()
    if now - _looked.get(kind, 0.0) < LOOK_FOR_STALE_SECONDS:
        return []
    _looked[kind] = now
    taken: list[Claimed] = []
    for holder, entries in consumer.stale().items():
        # A stopped process inside COPY ignores every timeout and would block the ledger's keys.
        ended = sessions.end(tx, holder)
        log().warning("claims.taken_over", holder=holder, batches=len(entries), sessions=ended)
        taken += consumer.take_over(entries)
    return taken


def drained(kind: Kind) -> None:
    """An actor's whole body: drain, and say an outage as one warning instead of a traceback."""
    try:
        drain(kind)
    except (StoreAway, psycopg.OperationalError) as error:
        log().warning("drain.postponed", kind=kind, reason=type(error).__name__, text=str(error))
