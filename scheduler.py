"""The clock: every step looks at the records and sends nudges, or does one small chore.

Any number of schedulers may run at once: each step is harmless when another has just done it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import psycopg
import redis
from apscheduler.schedulers.background import BackgroundScheduler
from dramatiq.errors import BrokerConnectionError

from admin.chores import Chores
from admin.pulse import silent
from admin.watch import Watch
from base import signals
from base.clock import now
from base.errors import HopfleetError
from base.logs import configure, log
from base.settings import settings
from db import (
    audit,
    bonus_claims,
    connection,
    deliveries,
    held,
    idempotency,
    ledger,
    links,
    partitions,
    processes,
    webhooks,
    work,
)
from db.connection import Tx, transaction
from journal import claims, spool
from journal.streams import Kind
from workers import billing, controls, draining, nudges, reconciling
from workers.maintenance import auditing, oddities
from workers.maintenance import reconciling as clickbank
from workers.owed import OWED
from workers.queues import JOURNAL_QUEUES
from workers.watching import watch

CHANGES_HOURS = 24
KEYS_DAYS = 90
DEAD_DAYS = 90
INBOX_DAYS = 90
PROCESSES_HOURS = 24
CHUNK = 5_000
AUDIT_BACK = timedelta(hours=24)
DATABASE_WAIT_SECONDS = 2.0
MOST_SWEEP_SECONDS = 120.0  # its waits are bounded by far less
MOST_SILENT_SECONDS = 180.0  # later than that, so that the sweep that hangs is named


def sweep_journal() -> None:
    """Whatever waits in the journal gets a worker's attention: a lost nudge costs a second."""
    for kind, queue in JOURNAL_QUEUES.items():
        if queue in nudges.ACTORS and claims.waiting(kind):
            nudges.nudge(queue)


def sweep_rows() -> None:
    """Whatever is due among the work rows gets a worker's attention."""
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=10) as tx:
        due = [owed for owed in OWED if work.due(tx, owed.table, 1, owed.kind)]
    for owed in due:
        nudges.nudge(owed.queue, owed.actor)


def make_partitions() -> None:
    """Months of events and days of the ledger, ahead and back; no request ever makes one."""
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        made = partitions.ensure_months(tx)
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        days = ledger.make_partitions(tx)
    if made or days:
        log().info("partitions.made", months=made, ledger_days=days)


def prune() -> None:
    """Old entries of the change log and inbox, keys, dead letters, ended processes, in chunks."""
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        links.prune(tx, CHANGES_HOURS)
        audit.prune(tx)
    _in_chunks(lambda tx: idempotency.prune(tx, KEYS_DAYS, CHUNK))
    _in_chunks(lambda tx: held.prune(tx, DEAD_DAYS, CHUNK))
    _in_chunks(lambda tx: webhooks.prune(tx, INBOX_DAYS, CHUNK))
    _in_chunks(lambda tx: bonus_claims.prune(tx, INBOX_DAYS, CHUNK))
    _in_chunks(lambda tx: deliveries.forget(tx, DEAD_DAYS, CHUNK))
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        processes.prune(tx, PROCESSES_HOURS)
    for kind in Kind:
        claims.forget_idle_consumers(kind)


def audit_events() -> None:
    """Hold what doors acked against what became of it; say it loudly when something is missing."""
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        audit.fold(tx)
    report = auditing.audit_since(now() - AUDIT_BACK)
    if report.missing:
        log().error("audit.missing", events=report.missing, since=report.since.isoformat())
    if report.surplus:
        log().warning("audit.surplus", events=report.surplus, since=report.since.isoformat())
    auditing.remember(report)


def prune_ledger() -> None:
    """Ledger days past the horizon, unless something older may still be on its way."""
    horizon = now() - timedelta(days=ledger.DAYS_BACK)
    waiting = [claims.oldest_batch_at(kind) for kind in Kind]
    waiting.append(spool.oldest_batch_at(settings().spool_root))
    oldest = min((moment for moment in waiting if moment is not None), default=horizon)
    if oldest < horizon:
        log().warning("ledger.kept", oldest=oldest.isoformat())
        return
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        ledger.drop_before(tx, horizon.date())


def settle_drains() -> None:
    """Queues that have worked off what they were to drain are paused."""
    with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
        draining.settle(tx)


def settle_billing() -> None:
    """Trials and times to pay end by the clock, and no message says so."""
    billing.settle()


class Chore(NamedTuple):
    """What runs how often; each is safe to run twice, late, or on several hosts at once."""

    name: str
    every_seconds: int
    step: Callable[[], None]


CHORES = (
    Chore("sweep_journal", 1, sweep_journal),
    Chore("sweep_rows", 1, sweep_rows),
    Chore("settle_drains", 1, settle_drains),
    Chore("settle_billing", 2, settle_billing),
    Chore("reconcile_billing", 600, reconciling.owe_nightly),
    Chore("reconcile_clickbank", 600, clickbank.owe_nightly),
    Chore("audit_events", 60, audit_events),
    Chore("count_oddities", 60, oddities.count),
    Chore("make_partitions", 3600, make_partitions),
    Chore("prune", 3600, prune),
    Chore("prune_ledger", 6 * 3600, prune_ledger),
)


def _in_chunks(chunk: Callable[[Tx], int]) -> None:
    while True:
        with transaction(wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=60) as tx:
            if chunk(tx) < CHUNK:
                return


_OUTAGES = (HopfleetError, psycopg.Error, redis.RedisError, BrokerConnectionError, OSError)


class _Outages:
    """An outage is one warning when it begins and one line when it ends, not one a second."""

    def __init__(self, chores: Chores) -> None:
        self._away: set[str] = set()
        self._chores = chores

    def run(self, chore: Chore) -> None:
        self._chores.begins(chore.name)
        self._chores.ended(chore.name, self._run(chore))

    def _run(self, chore: Chore) -> str:
        try:
            chore.step()
        except _OUTAGES as e:
            if chore.name not in self._away:
                log().warning(
                    "chore.postponed", chore=chore.name, reason=str(e) or type(e).__name__
                )
            self._away.add(chore.name)
            return "postponed"
        except Exception:
            log().exception("chore.failed", chore=chore.name)
            return "failed"
        if chore.name in self._away:
            log().info("chore.resumed", chore=chore.name)
            self._away.discard(chore.name)
        return "done"


def _watched(chores: Chores) -> Watch:
    """What this process shows of itself: alive while the chores of every second go round."""
    watching = watch("scheduler")
    sweeps = tuple(chore.name for chore in CHORES if chore.every_seconds == 1)
    watching.part("clock", lambda: silent(chores.beat, MOST_SILENT_SECONDS))
    watching.part("sweeps", lambda: chores.hanging(sweeps, MOST_SWEEP_SECONDS))
    watching.numbers(chores.collect)
    watching.numbers(auditing.collect)
    watching.numbers(oddities.collect)
    return watching


def main() -> None:
    """Tick until SIGTERM or SIGINT."""
    configure(settings().log_level, "scheduler")
    connection.serve("scheduler")
    signals.hold()
    chores = Chores()
    outages = _Outages(chores)
    watching = _watched(chores)
    # In UTC: in a zone with summer time APScheduler's loop stands still for an hour each spring.
    clock = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    for chore in CHORES:
        clock.add_job(
            outages.run, "interval", args=[chore], seconds=chore.every_seconds,
            next_run_time=now(), misfire_grace_time=None, id=chore.name,
        )  # fmt: skip
    controls.watch(claims.consumer_name(), "scheduler")
    clock.start()
    watching.open()
    log().info("scheduler.started")
    signals.wait()
    watching.close()
    clock.shutdown(wait=False)
    controls.stop()
    log().info("scheduler.stopped")
