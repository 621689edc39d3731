"""`hopfleet queues`: what waits in the eight queues, counted in events and rows."""

from typing import NamedTuple

import typer

from base.errors import Misused, StoreAway
from ops.cli import output
from ops.cli.database import transaction
from workers import depths

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
        try:
            found = depths.read(tx)
        except StoreAway as error:
            raise StoreAway(
                "The journal does not answer: start its Redis, or correct HOPFLEET_JOURNAL_URL."
            ) from error
        except ValueError as error:
            raise Misused(
                "HOPFLEET_JOURNAL_URL is no address of a Redis: it looks like redis://host:6379/0."
            ) from error
    return [
        QueueRow(
            str(one.queue), one.depth, one.oldest_seconds, one.in_flight, sum(one.dead.values())
        )
        for one in found
    ]
