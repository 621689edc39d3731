"""Partitions: months of events and days of the ledger, ahead and back; no request makes one."""

from base.logs import log
from db import ledger, partitions
from db.connection import transaction

_WAIT_SECONDS = 2.0
_LIMIT_SECONDS = 60.0


def make() -> None:
    """Make those that are missing."""
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        made = partitions.ensure_months(tx)
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        days = ledger.make_partitions(tx)
    if made or days:
        log().info("partitions.made", months=made, ledger_days=days)
