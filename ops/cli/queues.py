"""`hopfleet queues`: what waits in the eight queues, counted in events and rows."""

from typing import NamedTuple

import typer

from base.errors import Misused, StoreAway
from db import held, purges, work
from db.connection import Tx
from db.work import Depth
from journal import claims
from journal.streams import Kind
from ops.cli import output
from ops.cli.database import transaction
from workers.queues import JOURNAL_QUEUES, Queue

# Which work rows a queue's actors look after, beside the journal. Those of a journal queue are
# told apart by their kind.
TABLES: dict[Queue, list[work.Table]] = {Queue.MAINTENANCE: [purges.Purge]}

app = typer.Typer()


class QueueRow(NamedTuple):
    """One queue: what waits and is worked on, for how long the first; what is dead."""

    queue: str
    depth: int
    oldest_seconds: float
    in_flight: int
    dead: int


@app.command()
def queues(json: output.Json = False) -> None:
    """Show how much waits, since when, how much is being worked on, and what is dead."""
    rows = read()
    if json:
        output.print_json([row._asdict() for row in rows])
        return
    columns = QueueRow._fields
    output.print_table(columns, rows)
    if dead := sum(row.dead for row in rows):
        output.note(f"{dead:,} dead: `hopfleet dead list` shows them with their reasons.")


def read() -> list[QueueRow]:
    """One row a queue; raises one sentence when a store is away."""
    with transaction() as tx:
        held_of = work.depths(tx, held.HeldEvent, "kind")
        return [_row(tx, queue, held_of) for queue in Queue]


def _row(tx: Tx, queue: Queue, held_of: dict[str, Depth]) -> QueueRow:
    parts = [part for table in TABLES.get(queue, []) for part in work.depths(tx, table).values()]
    depth = in_flight = 0
    oldest = 0.0
    for kind in (kind for kind, of in JOURNAL_QUEUES.items() if of == queue):
        waiting = _journal_depth(kind)
        depth, in_flight, oldest = waiting.items, waiting.in_flight, waiting.oldest_seconds
        if kind in held_of:
            parts.append(held_of[kind])
    return QueueRow(
        str(queue),
        depth + sum(part.waiting + part.running for part in parts),
        max([oldest, *(part.oldest_seconds for part in parts)]),
        in_flight + sum(part.running for part in parts),
        sum(part.dead for part in parts),
    )


def _journal_depth(kind: Kind) -> claims.Depth:
    try:
        return claims.depth(kind)
    except StoreAway as error:
        raise StoreAway(
            "The journal does not answer: start its Redis, or correct HOPFLEET_JOURNAL_URL."
        ) from error
    except ValueError as error:
        raise Misused(
            "HOPFLEET_JOURNAL_URL is no address of a Redis: it looks like redis://host:6379/0."
        ) from error
