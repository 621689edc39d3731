"""The clock: every step looks at the records and sends nudges, or does one small chore.

Any number of schedulers may run at once: each step is harmless when another has just done it.
"""

from datetime import time

from apscheduler.schedulers.background import BackgroundScheduler

from admin.chores import Chores
from admin.pulse import silent
from admin.watch import Watch
from base import signals
from base.clock import now
from base.logs import configure, log
from base.settings import settings
from db import connection
from db.connection import Tx
from journal import claims
from workers import billing, controls, reconciling
from workers.maintenance import (
    auditing,
    cataloguing,
    oddities,
    partitioning,
    pruning,
    sweeping,
    trials,
)
from workers.maintenance import reconciling as clickbank
from workers.maintenance.chores import Chore, Daily, Outages
from workers.watching import watch
from workers.workflows import firing, planning, ticking


def tick(tx: Tx) -> int:
    """Look at changed workflows and fire due ones, by the database's clock; how many fired.

    One transaction: a due time has its run and the workflow its next time, or neither. Any number
    of schedulers may do this at once; what one has locked the others pass over.
    """
    planning.plan_changed(tx)
    return firing.fire(tx)


CHORES = (
    # name, every so many seconds or at which time of day in UTC, what
    Chore("sweep_journal", 1, sweeping.journal),
    Chore("sweep_rows", 1, sweeping.rows),
    Chore("fire_workflows", 1, lambda: ticking.tick_along(tick)),
    Chore("settle_drains", 1, sweeping.drains),
    Chore("settle_billing", 2, billing.settle),
    Chore("tell_trials", 10, trials.tell_ending),
    Chore("audit_events", 60, auditing.audit_lately),
    Chore("count_oddities", 60, oddities.count),
    Chore("make_partitions", 3600, partitioning.make),
    Chore("prune", 3600, pruning.prune),
    Chore("prune_ledger", 6 * 3600, pruning.prune_ledger),
    Chore("reconcile_billing", time(3), reconciling.owe_nightly),
    # ClickBank's day has ended by eight; the next night looks again.
    Chore("reconcile_clickbank", time(4), clickbank.owe_nightly),
    # ClickBank makes its feed anew at about five in the morning, Pacific.
    Chore("sync_products", time(14, 30), cataloguing.owe_daily),
)
DAILY_SECONDS = 10  # between two looks for what has a time of day
MOST_SWEEP_SECONDS = 120.0  # its waits are bounded by far less
MOST_SILENT_SECONDS = 180.0  # later than that, so that the sweep that hangs is named


def _watched(chores: Chores) -> Watch:
    """What this process shows of itself: alive while the chores of every second go round."""
    watching = watch("scheduler")
    sweeps = tuple(chore.name for chore in CHORES if chore.when == 1)
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
    outages = Outages(chores)
    watching = _watched(chores)
    # In UTC: in a zone with summer time APScheduler's loop stands still for an hour each spring.
    clock = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    daily = Chore("daily", DAILY_SECONDS, Daily(CHORES, outages).look)
    for chore in (*(chore for chore in CHORES if isinstance(chore.when, int)), daily):
        clock.add_job(
            outages.run, "interval", args=[chore], seconds=chore.when,
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
