"""Draining a queue: what waits now is worked off, then the queue is paused."""

from typing import Any, NamedTuple

from base.logs import log
from db import controls, work
from db.connection import Tx
from db.controls import DRAINING
from journal import marks
from journal.marks import Mark
from journal.streams import Kind
from workers import owed
from workers.queues import JOURNAL_QUEUES, Queue

# How far a queue has to get, as JSON: per stream its mark, per actor of work rows the last one,
# and how many events and rows that is.
Marks = dict[str, Any]


class Left(NamedTuple):
    """What is left of what was there, in events and rows."""

    now: int
    total: int


def begin(tx: Tx, queue: Queue) -> Marks:
    """Have all that waits now worked off, then the queue paused; raises `StoreAway`."""
    streams = {str(kind): found for kind in _kinds(queue) if (found := marks.mark(kind))}
    rows = {one.actor: work.mark(tx, one.table, one.kind) for one in owed.of(queue)}
    items = sum(found.items for found in streams.values())
    wanted = {
        "streams": {kind: list(found) for kind, found in streams.items()},
        "rows": {actor: last for actor, (last, _) in rows.items()},
        "total": items + sum(count for _, count in rows.values()),
    }
    controls.set_state(tx, queue, DRAINING, wanted)
    return wanted


def left(tx: Tx, queue: Queue, wanted: Marks) -> Left:
    """How much has to be done still, about, and 0 only when it is done; raises `StoreAway`."""
    count = sum(marks.left(Kind(kind), Mark(*mark)) for kind, mark in wanted["streams"].items())
    for one in owed.of(queue):
        if one.actor in wanted["rows"]:
            count += work.until(tx, one.table, wanted["rows"][one.actor], one.kind)
    return Left(count, wanted["total"])


def settle(tx: Tx) -> list[Queue]:
    """Pause those queues that have got as far as they had to; returns them."""
    done = []
    for name, control in controls.read(tx).items():
        if control.state != DRAINING or control.marks is None:
            continue
        queue = Queue(name)
        if left(tx, queue, control.marks).now == 0 and controls.drained(tx, name, control.marks):
            log().info("queue.drained", of=name)
            done.append(queue)
    return done


def _kinds(queue: Queue) -> list[Kind]:
    return [kind for kind, of in JOURNAL_QUEUES.items() if of == queue]
