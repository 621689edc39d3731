"""Purging one user or campaign that is marked: its events in chunks, then the row itself.

The step is shared by the actor and by people's commands, which do not need a broker for it.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from db import campaigns, events, held, orders, users, webhooks, work
from db.connection import Tx, transaction
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
            if gone == 0 and not _rest(tx, noun, key):
                if noun == "user":
                    held.purge(tx, key)
                    users.delete(tx, key)
                else:
                    campaigns.delete(tx, key)
                return work.finish(tx, Purge, row["id"], row["attempts"], "purged")
        if gone:
            deleted(gone)
    with transaction(limit_seconds=LEASE_SECONDS) as tx:
        work.give_back(tx, Purge, [(row["id"], row["attempts"])])
    return False


def _rest(tx: Tx, noun: str, key: UUID) -> int:
    """Delete a chunk of what else a user may have millions of; 0 when none is left.

    A campaign's orders stay: without them a sale that is told again would count again.
    """
    if noun != "user":
        return 0
    return orders.purge_chunk(tx, key, CHUNK) or webhooks.purge_chunk(tx, key, CHUNK)
