"""Purges: a user or campaign marked for deletion goes, its events first and in chunks."""

from typing import Any

from base.logs import log
from db import campaigns, events, held, users, work
from db.connection import transaction
from db.purges import Purge
from workers.broker import actor
from workers.queues import Queue
from workers.stopping import stopping

CHUNK = 10_000  # a second's work: short transactions, and a stop is never far
LEASE_SECONDS = 60


@actor("purges.run", queue=Queue.MAINTENANCE, time_limit_seconds=3600)
def run() -> None:
    """Finish what is marked; safe to stop at any moment, another run goes on."""
    while not stopping():
        with transaction() as tx:
            work.reclaim(tx, Purge)
            rows = work.claim(tx, Purge, 1, LEASE_SECONDS)
        if not rows:
            return
        _purge(rows[0])


def _purge(row: dict[str, Any]) -> None:
    noun, key = row["noun"], row["key"]
    deleted = 0
    while not stopping():
        with transaction() as tx:
            if not work.renew(tx, Purge, row["id"], row["attempts"], LEASE_SECONDS):
                return
            gone = events.purge_chunk(tx, noun, key, CHUNK)
            deleted += gone
            if gone == 0:
                if noun == "user":
                    held.purge(tx, key)
                    users.delete(tx, key)
                else:
                    campaigns.delete(tx, key)
                work.finish(tx, Purge, row["id"], row["attempts"], "purged")
                log().info("purge.finished", noun=noun, key=str(key), events=deleted)
                return
