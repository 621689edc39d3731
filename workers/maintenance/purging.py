"""Purging one user or campaign that is marked: its events in chunks, then the row itself.

The step is shared by the actor and by people's commands, which do not need a broker for it.
"""

from collections.abc import Callable
from typing import Any

from db import campaigns, events, held, users, work
from db.connection import transaction
from db.purges import Purge
from workers.stopping import stopping

CHUNK = 10_000  # a second's work: short transactions, and a stop is never far
LEASE_SECONDS = 60


def purge(
    row: dict[str, Any],
    deleted: Callable[[int], None],
    may_go_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Carry out a claimed purge; returns whether it is finished.

    `row` is the claimed row of `purges`, all columns; `deleted` hears how many events each chunk
    took. Safe to stop at any moment: False when it was told to stop or may not go on, which gives
    the row back, or when the lease was lost.
    """
    noun, key = row["noun"], row["key"]
    while not stopping() and may_go_on():
        with transaction(limit_seconds=LEASE_SECONDS) as tx:
            if not work.renew(tx, Purge, row["id"], row["attempts"], LEASE_SECONDS):
                return False
            gone = events.purge_chunk(tx, noun, key, CHUNK)
            if gone == 0:
                if noun == "user":
                    held.purge(tx, key)
                    users.delete(tx, key)
                else:
                    campaigns.delete(tx, key)
                return work.finish(tx, Purge, row["id"], row["attempts"], "purged")
        deleted(gone)
    with transaction(limit_seconds=LEASE_SECONDS) as tx:
        work.give_back(tx, Purge, [(row["id"], row["attempts"])])
    return False
