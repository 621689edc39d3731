"""Overlaps: what becomes of a run when the one before it has not ended."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from db import due, workflow_events
from db.connection import Tx
from db.runs import NewRun
from schemas.triggers import EventTrigger

MOST_QUEUED = 100  # of one workflow: what is due more often than it ends would never end

_REPLACED = "overlap: a later run took its place"
_FULL = f"overlap: {MOST_QUEUED} runs are queued already"


def arranged(tx: Tx, new: Sequence[tuple[EventTrigger, NewRun]]) -> list[NewRun]:
    """Runs as their triggers' policies have them: at once, queued, or skipped with the reason."""
    policies: dict[UUID, str] = {}
    found: list[NewRun] = []
    theirs: dict[UUID, list[NewRun]] = defaultdict(list)
    for trigger, run in new:
        if trigger.overlap == "allow" or run.state != "pending":
            found.append(run)
        else:
            workflow_id = UUID(str(run.workflow_id))
            policies[workflow_id] = trigger.overlap
            theirs[workflow_id].append(run)
    if not theirs:
        return found
    active = workflow_events.active_runs(tx, list(theirs))
    for workflow_id, mine in theirs.items():
        found += _POLICIES[policies[workflow_id]](mine, active.get(workflow_id))
    cancelled = [
        str(one)
        for one, policy in policies.items()
        if policy == "cancel_previous" and one in active
    ]
    if cancelled:
        due.cancel_before(tx, cancelled)
    return bounded(tx, found)


def bounded(tx: Tx, new: Sequence[NewRun]) -> list[NewRun]:
    """Runs of which so many are queued as may be; the others are skipped with the reason."""
    theirs = {str(one.workflow_id) for one in new if one.queued}
    waiting = due.queued(tx, sorted(theirs)) if theirs else {}
    found = []
    for one in new:
        if one.queued:
            number = waiting[str(one.workflow_id)] = waiting.get(str(one.workflow_id), 0) + 1
            one = _skipped(one, _FULL) if number > MOST_QUEUED else one
        found.append(one)
    return found


def _skip(mine: list[NewRun], active: int | None) -> list[NewRun]:
    if active is not None:
        return [_skipped(one, f"overlap: run {active} has not ended") for one in mine]
    return [mine[0], *(_skipped(one, "overlap: a run has not ended") for one in mine[1:])]


def _queue(mine: list[NewRun], active: int | None) -> list[NewRun]:
    return [one._replace(queued=at > 0 or active is not None) for at, one in enumerate(mine)]


def _cancel(mine: list[NewRun], active: int | None) -> list[NewRun]:
    return [*(_skipped(one, _REPLACED) for one in mine[:-1]), mine[-1]]


_POLICIES = {"skip": _skip, "queue": _queue, "cancel_previous": _cancel}


def _skipped(run: NewRun, reason: str) -> NewRun:
    return run._replace(state="done", outcome="skipped", reason=reason, queued=False)
