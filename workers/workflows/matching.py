"""Matching: facts become runs of the workflows that listen, and wake the runs that wait."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

import orjson
import psycopg

from base.errors import Misused, Transient
from base.logs import log
from db import waits, workflow_events
from db.connection import Tx, transaction
from db.waits import Waiting
from db.workflow_events import Happening, Listener
from rules import conditions
from schemas.triggers import EventTrigger
from schemas.workflow_events import seen
from workers import nudges
from workers.queues import Queue
from workers.workflows import gathering
from workers.workflows.gathering import Match
from workers.workflows.reading import event_trigger

# The kind, the user and the one workflow that is meant, as far as a fact says.
_Group = tuple[str, UUID | None, UUID | None]

CHUNK = 1_000  # facts of one transaction
MOST_USERS = 200
MOST_OWNERLESS = 200  # each may concern many workflows
LIMIT_SECONDS = 20.0


def step() -> int:
    """Match some facts in one transaction; returns how many there were."""
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        rows = _claim(tx)
        started = _settle(tx, rows)
    if started:
        nudges.try_nudge(Queue.WORKFLOWS, "workflows.run")
    return len(rows)


def _claim(tx: Tx) -> list[Happening]:
    """Some of everybody's, from whomever on."""
    after = uuid4()
    users = workflow_events.whose(tx, after, MOST_USERS)
    if len(users) < MOST_USERS:
        lower = workflow_events.whose(tx, UUID(int=0), MOST_USERS)
        users = list(dict.fromkeys([*users, *lower]))[:MOST_USERS]
    each = max(1, CHUNK // max(1, len(users)))
    return workflow_events.claim(tx, users, each, MOST_OWNERLESS)


def _settle(tx: Tx, rows: Sequence[Happening]) -> int:
    """Match facts that we hold; one that fails when tried alone is buried. Returns new runs."""
    if not rows:
        return 0
    try:
        with tx.transaction():
            return _match(tx, rows)
    except (Transient, psycopg.OperationalError):
        raise
    except Exception as error:
        if len(rows) > 1:
            half = len(rows) // 2
            return _settle(tx, rows[:half]) + _settle(tx, rows[half:])
        log().exception("happening.failed", id=rows[0].id, kind=rows[0].kind)
        workflow_events.bury(tx, rows[0].id, "failed", _first_line(error))
        return 0


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:500]


class _Listener(NamedTuple):
    """A workflow that listens, its trigger read and its filter compiled."""

    listener: Listener
    trigger: EventTrigger
    where: conditions.Condition


class _Wait(NamedTuple):
    """A run that waits, its filter compiled."""

    waiting: Waiting
    where: conditions.Condition


def _match(tx: Tx, rows: Sequence[Happening]) -> int:
    """All that follows from facts; returns how many runs began or go on."""
    listeners, waiting = _listeners(tx, rows), _waiting(tx, rows)
    matches: list[Match] = []
    woken: list[tuple[Waiting, Happening]] = []
    for row in rows:
        values = {"event": seen(row.data)}
        matches += [
            Match(row, one.listener, one.trigger)
            for one in listeners[_group(row)]
            if _concerns(one.trigger, row) and one.where.judge(values).holds
        ]
        woken += [
            (one.waiting, row)
            for one in waiting[row.kind, row.user_id]
            if one.where.judge(values).holds
        ]
    new = gathering.started(tx, matches)
    taken = waits.wake(tx, [(wait, row.data) for wait, row in woken])
    hit = {one.happening.id for one in matches}
    hit |= {row.id for wait, row in woken if wait.run_id in taken}
    workflow_events.settle(tx, hit, {row.id for row in rows} - hit)
    return len(new) + len(taken)


def _group(row: Happening) -> _Group:
    """Whom a fact may concern: one workflow, a user's, or all that listen to its kind."""
    return row.kind, row.user_id, row.workflow_id


def _listeners(tx: Tx, rows: Sequence[Happening]) -> Mapping[_Group, list[_Listener]]:
    found: dict[_Group, list[_Listener]] = defaultdict(list)
    users = {row.user_id for row in rows if row.user_id is not None and row.workflow_id is None}
    for one in workflow_events.listeners(tx, {row.kind for row in rows}, users) if users else ():
        _add(found[one.kind, one.user_id, None], one)
    meant = {row.workflow_id for row in rows if row.workflow_id is not None}
    for one in workflow_events.listeners_of(tx, meant) if meant else ():
        _add(found[one.kind, one.user_id, one.workflow_id], one)
    for kind in {row.kind for row in rows if row.user_id is None}:
        for one in workflow_events.all_listeners(tx, kind):
            _add(found[kind, None, None], one)
    return found


def _add(found: list[_Listener], one: Listener) -> None:
    """Without those that cannot be read: the scheduler pauses them, and says why."""
    try:
        trigger = event_trigger(one.config)
        if trigger.event == one.kind:  # else it was changed a moment ago
            found.append(_Listener(one, trigger, conditions.compiled(list(trigger.where))))
    except Misused as error:
        log().warning("workflow.unreadable", workflow=str(one.workflow_id), reason=str(error))


def _concerns(trigger: EventTrigger, row: Happening) -> bool:
    """Whether a fact is of the campaign that the trigger names, if it names one.

    Who asks for certain products is told of them in facts of their own.
    """
    if row.user_id is None and trigger.asks_for_products:
        return False
    wanted = trigger.campaign
    return wanted is None or (
        row.campaign_id is not None
        and (wanted == row.tracking_id or wanted.lower() == str(row.campaign_id))
    )


def _waiting(tx: Tx, rows: Sequence[Happening]) -> Mapping[tuple[str, UUID | None], list[_Wait]]:
    users = {row.user_id for row in rows if row.user_id is not None}
    waiting = waits.of_users(tx, {row.kind for row in rows}, users) if users else []
    found: dict[tuple[str, UUID | None], list[_Wait]] = defaultdict(list)
    for one in waiting:
        _wait(found[one.kind, one.user_id], one)
    for kind in {row.kind for row in rows if row.user_id is None}:
        for one in waits.of_all(tx, kind):
            _wait(found[kind, None], one)
    return found


def _wait(found: list[_Wait], one: Waiting) -> None:
    try:
        found.append(_Wait(one, conditions.compiled(orjson.loads(one.filter))))
    except Misused as error:
        log().warning("wait.unreadable", run=one.run_id, reason=str(error))
