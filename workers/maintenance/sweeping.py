"""Sweeping: every second both records are looked at, so that a lost nudge costs a second."""

from db import work
from db.connection import transaction
from journal import claims
from workers import controls, draining, nudges
from workers.owed import OWED
from workers.queues import JOURNAL_QUEUES

WAIT_SECONDS = 2.0
_LIMIT_SECONDS = 10.0
_DRAIN_LIMIT_SECONDS = 60.0


def journal() -> None:
    """Whatever waits in the journal gets a worker's attention."""
    for kind, queue in JOURNAL_QUEUES.items():
        if queue in nudges.ACTORS and claims.waiting(kind):
            nudges.nudge(queue)


def rows() -> None:
    """Whatever is due among the work rows gets a worker's attention."""
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        due = work.any_due(tx, [(owed.table, owed.kind) for owed in OWED])
    for owed, is_due in zip(OWED, due, strict=True):
        if is_due:
            nudges.nudge(owed.queue, owed.actor)


def drains() -> None:
    """Queues that have worked off what they were to drain are paused."""
    if not controls.draining():
        return
    with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=_DRAIN_LIMIT_SECONDS) as tx:
        draining.settle(tx)
