"""From the journal to rows: claim batches, write them in one transaction, acknowledge.

Everything here may happen twice: the ledger admits a batch once, whoever writes it.
"""

import itertools
import threading
from functools import cache

import psycopg

from base.clock import steady
from base.errors import StoreAway
from base.logs import log
from db import sessions
from db.connection import Tx, transaction
from journal.claims import Claimed, Consumer, consumer_name
from journal.streams import Kind
from workers import nudges
from workers.queues import JOURNAL_QUEUES
from workers.stopping import stopping
from workers.stopping import wait as wait_or_stop
from workers.store import store
from workers.turns import Turns

DRAIN_SECONDS = 5.0  # then another message goes on, so that a stop or a deploy waits for seconds
TRANSACTION_SECONDS = 3.0
ITEMS_A_TRANSACTION = 4_000
# A transaction costs as much as a hundred rows: under load a short pause makes fewer, larger ones.
SMALL_ITEMS = 2_500
PAUSE_SECONDS = 0.05
LOOK_FOR_STALE_SECONDS = 2.0
POOL_WAIT_SECONDS = 5.0

_here = threading.local()
_numbers = itertools.count(1)
_looked: dict[Kind, float] = {}
_turns = Turns()


@cache
def process_name() -> str:
    """What the consumers of this process have in common; new in every process."""
    return consumer_name()


def _consumer(kind: Kind) -> Consumer:
    """This thread's consumer: two threads must not share claims."""
    mine: dict[Kind, Consumer] = _here.__dict__.setdefault("consumers", {})
    if kind not in mine:
        mine[kind] = Consumer(kind, f"{process_name()}-{next(_numbers)}")
    return mine[kind]


def drain(kind: Kind) -> int:
    """Store what waits in the journal, for at most five seconds; returns the items stored.

    Raises `StoreAway` when PostgreSQL or the journal is away: nothing is lost, the scheduler's
    sweep comes back every second.
    """
    if not _turns.enter(kind):
        return 0
    stored, left = 0, False
    try:
        end = steady() + DRAIN_SECONDS
        while not stopping():
            found = _step(kind, _consumer(kind))
            stored += found
            _turns.backlog(kind, found >= ITEMS_A_TRANSACTION)
            if not found and (left := _turns.leave_unless_asked(kind)):
                break
            if steady() > end:
                nudges.nudge(JOURNAL_QUEUES[kind])
                break
            if found < SMALL_ITEMS:
                wait_or_stop(PAUSE_SECONDS)
    finally:
        if not left:
            _turns.leave(kind)
    return stored


def _step(kind: Kind, consumer: Consumer) -> int:
    """One transaction: what a dead worker left, else what is new; returns the items."""
    # The connection first: while PostgreSQL is away nothing is claimed.
    with transaction(wait_seconds=POOL_WAIT_SECONDS) as tx:
        claimed = _take_over(kind, consumer, tx) or consumer.claim(ITEMS_A_TRANSACTION)
        if not claimed:
            return 0
        try:
            sessions.begin_drain(tx, consumer.name, TRANSACTION_SECONDS)
            done = store(tx, kind, claimed)
            tx.commit()
            consumer.acknowledge(done)
        except BaseException:
            consumer.failed()
            raise
    if len(done) < len(claimed):
        consumer.leave([batch for batch in claimed if batch not in done])
    return sum(batch.count for batch in claimed)


def _take_over(kind: Kind, consumer: Consumer, tx: Tx) -> list[Claimed]:
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
