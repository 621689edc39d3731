"""From the journal to rows: claim batches, write them in one transaction, acknowledge.

Everything here may happen twice: the ledger admits a batch once, whoever writes it.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import psycopg

from base.clock import steady
from base.errors import Transient
from base.logs import log
from db import sessions
from db.connection import Tx, transaction
from journal.claims import Claimed, Consumer, consumer_name
from journal.streams import BULK, Kind, usual
from workers import controls, nudges, tally
from workers.outcome import Outcome
from workers.queues import JOURNAL_QUEUES, Queue
from workers.stopping import stopping
from workers.stopping import wait as wait_or_stop
from workers.store import store
from workers.turns import WITH_BACKLOG, Turns

DRAIN_SECONDS = 5.0  # then another message goes on, so that a stop or a deploy waits for seconds
TRANSACTION_SECONDS = 3.0
ITEMS_A_TRANSACTION = 4_000
# A transaction costs as much as a hundred rows: under load a short pause makes fewer, larger ones.
SMALL_ITEMS = 2_500
LEAST_BULK_ITEMS = 1_000  # a transaction, for accounts beyond their share, however much waits else
PAUSE_SECONDS = 0.05
LOOK_FOR_STALE_SECONDS = 2.0
POOL_WAIT_SECONDS = 5.0
SILENT_SECONDS = 8.0  # less than until others take our claims over

_consumers: dict[Kind, list[Consumer]] = {kind: [] for kind in Kind}  # nobody uses them now
_consumers_lock = threading.Lock()
_numbers = itertools.count(1)
_looked: dict[Kind, float] = {}
_sizes: dict[Kind, int] = {}  # items a transaction, smaller after a failure
_turns = Turns(lambda kind: controls.threads(JOURNAL_QUEUES[kind]) or WITH_BACKLOG)


@cache
def process_name() -> str:
    """What the consumers of this process have in common; new in every process."""
    return consumer_name()


@contextmanager
def _consumer(kind: Kind) -> Iterator[Consumer]:
    """A consumer for one drain alone: two threads must not share claims.

    One that still holds something is the first to be taken, whichever thread comes by.
    """
    with _consumers_lock:
        idle = _consumers[kind]
        idle.sort(key=lambda one: one.unsure)
        mine = idle.pop() if idle else Consumer(kind, f"{process_name()}-{next(_numbers)}")
    try:
        yield mine
    finally:
        with _consumers_lock:
            idle.append(mine)


def drain(kind: Kind) -> int:
    """Store what waits in the journal, for at most five seconds; returns the items stored.

    Does nothing while the queue is paused. Raises `StoreAway` when PostgreSQL or the journal is
    away: nothing is lost, the scheduler's sweep comes back every second.
    """
    if not _may_go_on(kind) or not _turns.enter(kind):
        return 0
    left = False
    try:
        with ExitStack() as stack:
            kinds = (kind, BULK[kind]) if kind in BULK else (kind,)
            lanes = [stack.enter_context(_consumer(each)) for each in kinds]
            stored, left = _rounds(kind, lanes)
    finally:
        if not left:
            _turns.leave(kind)
    return stored


def _rounds(kind: Kind, lanes: list[Consumer]) -> tuple[int, bool]:
    """Store until nothing is left, or it is time; returns the items, and whether the turn went."""
    stored, left = 0, False
    end = steady() + DRAIN_SECONDS
    while _may_go_on(kind) and not (left := _turns.leave_if_too_many(kind)):
        found = _steps(lanes)
        stored += found
        _turns.backlog(kind, found >= ITEMS_A_TRANSACTION)
        if not found and (left := _turns.leave_unless_asked(kind)):
            break
        if steady() > end:
            nudges.try_nudge(JOURNAL_QUEUES[kind])
            break
        if _turns.room(kind):
            nudges.try_nudge(JOURNAL_QUEUES[kind])  # for one more thread, or another worker
        if found < SMALL_ITEMS:
            wait_or_stop(PAUSE_SECONDS)
    return stored, left


def _may_go_on(kind: Kind) -> bool:
    return not stopping() and controls.may_claim(JOURNAL_QUEUES[kind])


def _steps(lanes: list[Consumer]) -> int:
    """A step for everybody, then one for accounts beyond their share; returns the items stored."""
    found = 0
    for consumer in lanes:
        if not found or _may_go_on(consumer.kind):
            found += _step(consumer, max(LEAST_BULK_ITEMS, ITEMS_A_TRANSACTION - found))
    return found


def _step(consumer: Consumer, most_items: int) -> int:
    """Claim what a dead worker left, else what is new, and store it; returns the items stored."""
    kind, stored = consumer.kind, 0
    # The connection first: while PostgreSQL is away nothing is claimed.
    with transaction(wait_seconds=POOL_WAIT_SECONDS, limit_seconds=SILENT_SECONDS) as tx:
        claimed = _take_over(kind, consumer, tx) or consumer.claim(most_items)
    try:
        for part in _parts(claimed, _sizes.get(kind, ITEMS_A_TRANSACTION)):
            if not controls.may_claim(JOURNAL_QUEUES[kind]):
                consumer.failed()  # the rest comes first when the pause is over
                break
            _store(kind, consumer, part)
            stored += sum(batch.count for batch in part)
    except BaseException:
        consumer.failed()
        tally.failed(kind)
        # What does not get through in three seconds is tried in halves.
        _sizes[kind] = max(1, _sizes.get(kind, ITEMS_A_TRANSACTION) // 2)
        raise
    _sizes[kind] = min(ITEMS_A_TRANSACTION, _sizes.get(kind, ITEMS_A_TRANSACTION) * 2)
    return stored


def _parts(claimed: list[Claimed], most_items: int) -> Iterator[list[Claimed]]:
    """Whole batches, as many as `most_items` allow, at least one."""
    part: list[Claimed] = []
    items = 0
    for batch in claimed:
        if part and items + batch.count > most_items:
            yield part
            part, items = [], 0
        part.append(batch)
        items += batch.count
    if part:
        yield part


def _store(kind: Kind, consumer: Consumer, part: list[Claimed]) -> None:
    """One transaction, then the acknowledgement."""
    began, outcome = steady(), Outcome(usual(kind))
    with transaction(wait_seconds=POOL_WAIT_SECONDS, limit_seconds=SILENT_SECONDS) as tx:
        at = sessions.begin_drain(tx, consumer.name, TRANSACTION_SECONDS)
        done = store(tx, outcome.kind, part, at, outcome)
    tally.ended(kind, outcome.counts())
    consumer.acknowledge(done)
    if outcome.told:
        nudges.try_nudge(Queue.WORKFLOWS, "workflows.match")
    tally.drained(kind, sum(batch.count for batch in part), steady() - began)
    if len(done) < len(part):
        read = {batch.entry for batch in done}
        left = [batch for batch in part if batch.entry not in read]
        consumer.leave(left)
        for batch in left:
            version = batch.version.decode("ascii", "replace")[:20]
            log().warning("batch.of_another_release", kind=kind, batch=batch.id, version=version)


def _take_over(kind: Kind, consumer: Consumer, tx: Tx) -> list[Claimed]:
    now = steady()
    if now - _looked.get(kind, 0.0) < LOOK_FOR_STALE_SECONDS:
        return []
    _looked[kind] = now
    for holder, entries in consumer.stale().items():
        # A stopped process inside COPY ignores every timeout and would block the ledger's keys.
        ended = sessions.end(tx, holder)
        taken = consumer.take_over(entries, ITEMS_A_TRANSACTION)
        if len(taken) < len(entries):
            del _looked[kind]  # the rest at once, not in two seconds
        log().warning("claims.taken_over", holder=holder, batches=len(taken), sessions=ended)
        if taken:
            return taken
    return []


def drained(kind: Kind) -> None:
    """An actor's whole body: drain, and say an outage as one warning instead of a traceback."""
    try:
        drain(kind)
    except (Transient, psycopg.OperationalError) as error:
        log().warning("drain.postponed", kind=kind, reason=type(error).__name__, text=str(error))
