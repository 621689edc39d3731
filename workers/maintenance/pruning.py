"""Pruning: what has been kept for as long as it is to be kept goes, in chunks."""

from collections.abc import Callable
from datetime import timedelta

from base.clock import now
from base.logs import log
from base.settings import settings
from db import (
    audit,
    bonus_claims,
    deliveries,
    gathers,
    held,
    idempotency,
    ledger,
    links,
    processes,
    retention,
    webhooks,
    workflow_events,
)
from db.connection import Tx, transaction
from journal import claims, spool
from journal.streams import Kind
from workers.maintenance import cataloguing

CHANGES_HOURS = 24
KEYS_DAYS = 90
DEAD_DAYS = 90
INBOX_DAYS = 90
RUNS_DAYS = 90
FACTS_DAYS = 30  # a dry run looks at the latest
PROCESSES_HOURS = 24
CHUNK = 5_000
RUNS_CHUNK = 500  # each goes with its steps, of which it may have a thousand
_WAIT_SECONDS = 2.0
_LIMIT_SECONDS = 60.0


def prune() -> None:
    """Old entries of the change log and inbox, keys, dead letters, runs, ended processes."""
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        links.prune(tx, CHANGES_HOURS)
        audit.prune(tx)
    _in_chunks(lambda tx: idempotency.prune(tx, KEYS_DAYS, CHUNK))
    _in_chunks(lambda tx: held.prune(tx, DEAD_DAYS, CHUNK))
    _in_chunks(lambda tx: webhooks.prune(tx, INBOX_DAYS, CHUNK))
    _in_chunks(lambda tx: bonus_claims.prune(tx, INBOX_DAYS, CHUNK))
    _in_chunks(lambda tx: deliveries.forget(tx, DEAD_DAYS, CHUNK))
    _in_chunks(lambda tx: workflow_events.prune(tx, FACTS_DAYS, DEAD_DAYS, CHUNK))
    _in_chunks(lambda tx: gathers.prune(tx, FACTS_DAYS, CHUNK))
    _in_chunks(lambda tx: retention.runs(tx, RUNS_DAYS, RUNS_CHUNK), RUNS_CHUNK)
    _in_chunks(lambda tx: retention.calls(tx, RUNS_DAYS, CHUNK))
    _in_chunks(lambda tx: retention.delivery_attempts(tx, RUNS_DAYS, CHUNK))
    _in_chunks(lambda tx: retention.notes(tx, RUNS_DAYS, CHUNK))
    _in_chunks(lambda tx: retention.refused_posts(tx, DEAD_DAYS, CHUNK))
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        processes.prune(tx, PROCESSES_HOURS)
    cataloguing.clear()
    for kind in Kind:
        claims.forget_idle_consumers(kind)


def prune_ledger() -> None:
    """Ledger days past the horizon, unless something older may still be on its way."""
    horizon = now() - timedelta(days=ledger.DAYS_BACK)
    waiting = [claims.oldest_batch_at(kind) for kind in Kind]
    waiting.append(spool.oldest_batch_at(settings().spool_root))
    oldest = min((moment for moment in waiting if moment is not None), default=horizon)
    if oldest < horizon:
        log().warning("ledger.kept", oldest=oldest.isoformat())
        return
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        ledger.drop_before(tx, horizon.date())


def _in_chunks(chunk: Callable[[Tx], int], size: int = CHUNK) -> None:
    while True:
        with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
            if chunk(tx) < size:
                return
