"""Deleting users and campaigns on the spot: marked, so that links stop, then purged in chunks."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from base import clock
from db import connection, events, purges, work
from db.purges import Purge
from ops.cli import output
from ops.cli.database import sentences, transaction
from ops.cli.progress import Bar, bar
from workers.maintenance.purging import LEASE_SECONDS, purge

_LOOK_SECONDS = 0.5


class Doomed(NamedTuple):
    """What is to go; `label` is what people call it."""

    noun: str  # user or campaign
    key: UUID
    label: str


def remove(doomed: Sequence[Doomed], *, json: bool) -> None:
    """Delete them with all their events; whatever is interrupted, a worker finishes."""
    with transaction() as tx:
        for one in doomed:
            purges.mark(tx, one.noun, one.key)  # False: marked already, and we help
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # its repeats are not news here
    try:
        with sentences():
            gone = [_remove(one) for one in doomed]
    except KeyboardInterrupt:
        output.note("Interrupted: links have stopped, a worker deletes the rest.")
        raise
    if json:
        output.print_json(
            {
                "deleted": [
                    {"id": one.key, "events": count}
                    for one, count in zip(doomed, gone, strict=True)
                ]
            }
        )
        return
    for one, count in zip(doomed, gone, strict=True):
        output.say(f"Deleted {one.label} with {count:,} events.")


def _remove(one: Doomed) -> int:
    """Purge one, or wait for the worker that does; returns how many events there were."""
    with transaction() as tx:
        total = events.count_doomed(tx, one.noun, one.key)
    with bar(f"Deleting {one.label}", total, "events") as shown:
        while True:
            with transaction() as tx:
                row = purges.claim(tx, one.noun, one.key, LEASE_SECONDS)
                over = row is None and purges.state(tx, one.noun, one.key) in ("done", "dead", None)
            if over or (row is not None and _purge(row, shown)):
                return total
            clock.sleep(_LOOK_SECONDS)  # a worker has it


def _purge(row: dict[str, Any], shown: Bar) -> bool:
    try:
        return purge(row, shown.advance)
    except BaseException:
        # The lease would keep workers away for a minute.
        with connection.transaction() as tx:
            work.retry(tx, Purge, row["id"], row["attempts"], 0, "interrupted")
        raise
