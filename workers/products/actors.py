"""The actor of queue `products`: syncs that are due, one after the other."""

import psycopg

from base.errors import HopfleetError
from base.logs import log
from workers import controls
from workers.broker import actor
from workers.products import syncing
from workers.products.keeping import LeaseLost, Stopped
from workers.products.syncing import Busy
from workers.queues import Queue
from workers.stopping import stopping


@actor("products.sync", queue=Queue.PRODUCTS, time_limit_seconds=12 * 3600)
def sync() -> None:
    """Carry out what is due; returns at once when another sync runs, here or elsewhere."""
    while not stopping() and controls.may_claim(Queue.PRODUCTS):
        try:
            row = syncing.take()
        except Busy:
            return
        if row is None:
            return
        try:
            report = syncing.carry_out(row, lambda progress: None)
        except (Stopped, LeaseLost):
            return
        except (HopfleetError, psycopg.Error) as error:
            # Its row says when it goes on, or why not.
            log().warning("products.failed", id=row["id"], error=type(error).__name__)
        else:
            log().info("products.synced", **report._asdict())
