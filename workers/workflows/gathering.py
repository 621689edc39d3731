"""Gathering: matched facts become runs, one by one or together, as their triggers say."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from base.logs import log
from db import gathers, runs, work, workflow_events
from db.connection import Tx, transaction
from db.gathers import Kept
from db.runs import NewRun
from db.workflow_events import Happening, Listener
from rules import gathering, interpolation
from rules.gathering import Firing, Gather, Gathered
from rules.interpolation import Unrenderable
from schemas.triggers import EventTrigger, Malformed
from workers import nudges
from workers.queues import Queue
from workers.workflows.overlaps import arranged
from workers.workflows.reading import event_trigger

MOST_DEPTH = 8
CHUNK = 500
LIMIT_SECONDS = 20.0
_LONGEST_KEY = 255


class Match(NamedTuple):
    """A fact, and a workflow that it concerns."""

    happening: Happening
    listener: Listener
    trigger: EventTrigger


def started(tx: Tx, matches: Sequence[Match]) -> list[int]:
    """Add the runs that follow from matches, in the order they came; returns the new ones."""
    plain = [one for one in matches if gathering.is_plain(one.trigger)]
    new = [
        (one.trigger, _run(one.listener, Firing(1, (_gathered(one.happening),)),
                           one.happening.created_at))
        for one in plain
    ]  # fmt: skip
    new += _gather(tx, [one for one in matches if not gathering.is_plain(one.trigger)])
    return runs.add(tx, arranged(tx, new))


def _gathered(row: Happening) -> Gathered:
    campaign = str(row.campaign_id) if row.campaign_id else None
    return Gathered(row.id, row.depth, campaign, row.data)


def _gather(tx: Tx, matches: Sequence[Match]) -> list[tuple[EventTrigger, NewRun]]:
    """Add facts to what waits; returns what fires by it."""
    if not matches:
        return []
    by_key: dict[tuple[UUID, str], list[Match]] = defaultdict(list)
    for one in matches:
        by_key[one.listener.workflow_id, _key(one)].append(one)
    now = workflow_events.now(tx)
    written: list[tuple[Kept, datetime | None]] = []
    new = []
    for kept in gathers.hold(tx, by_key):
        mine = by_key[kept.workflow_id, kept.key]
        listener, trigger = mine[0].listener, mine[0].trigger
        after, fired = gathering.take(
            trigger, _read(kept), [_gathered(one.happening) for one in mine], now
        )
        written.append(_written(kept, after))
        new += [(trigger, _run(listener, firing, now)) for firing in fired]
    gathers.keep(tx, written)
    return new


def _key(match: Match) -> str:
    """What facts are gathered apart by; empty where the trigger or the fact says nothing."""
    path = match.trigger.key
    if not path:
        return ""
    template = path if "{{" in path else "{{ " + path + " }}"
    try:
        value = interpolation.render(template, {"event": match.happening.data})
    except Unrenderable:
        return ""
    key = "" if value is None else str(value).replace("\0", "")
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def _read(kept: Kept) -> Gather:
    events = tuple(Gathered(*one) for one in kept.events)
    return Gather(kept.number, events, kept.first_at, kept.fired_at)


def _written(kept: Kept, after: Gather) -> tuple[Kept, datetime | None]:
    """The row as it is to be, and when it is due: never, where only more of it fires."""
    row = kept._replace(
        number=after.number, events=[list(one) for one in after.events],
        first_at=after.first_at, fired_at=after.fired_at,
    )  # fmt: skip
    return row, after.due_at or (work.NEVER if after.number else None)


def _run(listener: Listener, firing: Firing, due_at: datetime) -> NewRun:
    """The run; one that may not be is written all the same, with the reason."""
    depth = firing.depth + 1
    reason = "loop" if depth > MOST_DEPTH else "suspended" if listener.is_suspended else None
    return NewRun(
        listener.workflow_id,
        listener.user_id,
        listener.version,
        "event",
        due_at,
        cause=f"event:{firing.last.id}",
        campaign_id=firing.last.campaign_id,
        input=_input(firing),
        depth=depth,
        state="pending" if reason is None else "done",
        outcome=None if reason is None else "skipped",
        reason=reason,
    )


def _input(firing: Firing) -> dict[str, Any]:
    return {
        "event": firing.last.data,
        "events": [one.data for one in firing.events],
        "number": firing.number,
    }


def step() -> int:
    """Fire some gathers that are due, in one transaction; returns how many there were."""
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        kept = gathers.claim(tx, CHUNK)
        new = _fire(tx, kept) if kept else []
    if new:
        nudges.try_nudge(Queue.WORKFLOWS, "workflows.run")
    return len(kept)


def _fire(tx: Tx, kept: Iterable[Kept]) -> list[int]:
    now = workflow_events.now(tx)
    rows = list(kept)
    listeners = {one.workflow_id: one for one in
                 workflow_events.listeners_of(tx, {row.workflow_id for row in rows})}  # fmt: skip
    new, written = [], []
    for row in rows:
        listener = listeners.get(row.workflow_id)
        after, fired = gathering.fire(_read(row), now)
        written.append(_written(row, after))
        if listener is None:
            log().info("gather.dropped", workflow=str(row.workflow_id), events=row.number)
            continue
        try:
            trigger = event_trigger(listener.config)
        except Malformed:
            continue
        new += [(trigger, _run(listener, firing, now)) for firing in fired]
    gathers.keep(tx, written)
    return runs.add(tx, arranged(tx, new))
