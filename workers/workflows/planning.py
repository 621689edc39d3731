"""Planning: a changed workflow is read, and gets its next time, or is paused and told why."""

from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from base.clock import steady
from db import due
from db.connection import Tx
from db.due import Changed
from rules import definitions
from rules.schedules import NoNextTime, Schedule
from schemas.triggers import EventTrigger, Malformed, Scheduled
from schemas.workflows import Definition

BATCH = 1_000
SECONDS = 2.0  # then what was found and not looked at is left to the next transaction


def plan_changed(tx: Tx, limit: int = BATCH) -> int:
    """Look at workflows that were changed, by whomever; returns how many there were."""
    found, now = due.changed(tx, limit)
    checked, problems = [], []
    ends = steady() + SECONDS
    for at, row in enumerate(found):
        if at and steady() > ends:
            found = found[:at]
            break
        try:
            checked.append(_look(row, now))
        except (Malformed, NoNextTime) as error:
            problems.append((row.id, str(error)))
        except (ValueError, OverflowError, ArithmeticError) as error:
            problems.append((row.id, f"Its next time cannot be computed: {error}"))
    due.checked(tx, checked)
    due.pause(tx, problems)
    return len(found)


def _look(row: Changed, now: datetime) -> tuple[str, str | None, datetime | None]:
    if row.status != "active":
        return row.id, None, None
    definition = definition_of(row.name, row.trigger_type, row.config, row.conditions, row.actions)
    trigger = definition.trigger
    listens = trigger.event if isinstance(trigger, EventTrigger) else None
    if not isinstance(trigger, Scheduled) or row.planned:
        return row.id, listens, None
    following = Schedule.of(trigger).next_after(now)
    if following is None:
        raise NoNextTime("Its schedule is over: give it a time to come, then enable it again.")
    return row.id, None, following


@lru_cache(5_000)
def definition_of(
    name: str, trigger_type: str, config: str | None, conditions: str | None, actions: str
) -> Definition:
    """A definition from its columns, JSON as text; raises `Malformed`."""
    return definitions.read(name, trigger_type, _json(config), _json(conditions), _json(actions))


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
