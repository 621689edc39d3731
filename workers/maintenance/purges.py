"""Purges: a user or campaign marked for deletion goes, its events first and in chunks."""

from typing import Any

from base.logs import log
from db import work
from db.connection import transaction
from db.purges import Purge
from workers import controls
from workers.broker import actor
from workers.maintenance.purging import LEASE_SECONDS, purge
from workers.queues import Queue
from workers.stopping import stopping


@actor("purges.run", queue=Queue.MAINTENANCE, time_limit_seconds=3600)
def run() -> None:
    """Finish what is marked; safe to stop at any moment, another run goes on."""
    while not stopping() and _may_go_on():
        with transaction(limit_seconds=LEASE_SECONDS) as tx:
            work.reclaim(tx, Purge)
            rows = work.claim(tx, Purge, 1, LEASE_SECONDS)
        if not rows:
            return
        _purge(rows[0])


def _may_go_on() -> bool:
    return controls.may_claim(Queue.MAINTENANCE)


def _purge(row: dict[str, Any]) -> None:
    chunks: list[int] = []
    if purge(row, chunks.append, _may_go_on):
        log().info("purge.finished", noun=row["noun"], key=str(row["key"]), events=sum(chunks))
