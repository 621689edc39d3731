"""Definitions on their way in and out: a file is read and checked, a row becomes a file again."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from base.errors import Misused
from base.settings import settings
from db.workflow_rows import Columns, WorkflowRow
from rules import definitions, hooks
from rules.schedules import Schedule
from schemas.definitions import MOST_BYTES, Written, parse
from schemas.triggers import EventTrigger, Fault, Malformed, Scheduled, Trigger
from schemas.workflows import Definition

# In which order people expect the fields of a step; JSONB does not keep the one they wrote.
_FIRST = ("name", "if")
_LAST = ("retry", "on_error")


class Asked(NamedTuple):
    """A definition as it will be stored, and what it means."""

    columns: Columns
    definition: Definition


def read(file: str) -> Asked:
    """A definition from a file, or `-` for standard input; `Misused` names field and line."""
    return from_text(_bytes(file), "The definition" if file == "-" else file)


def from_text(text: bytes, where: str) -> Asked:
    """A definition from what a file holds; `where` names the file."""
    try:
        written = parse(text)
        columns = Columns(*written[:5])
        try:
            return Asked(columns, definitions.read(*columns))
        except Malformed as error:
            raise Malformed([_placed(fault, written) for fault in error.faults]) from None
    except Malformed as error:
        raise Misused(f"{where} is no workflow: {error}.") from None


def _bytes(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except IsADirectoryError:
        raise Misused(f"{file} is a folder: name the file in it.") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "that is no name of a file"
        raise Misused(f"{file[:200]!r} cannot be read: {said}.") from None


def _placed(fault: Fault, written: Written) -> Fault:
    """A fault with the line of its field, else of the nearest that was written."""
    field = fault.field
    if field.startswith("trigger.settings") and field not in written.lines:
        field = field.removeprefix("trigger.")
    while field and field not in written.lines:
        field = field.rpartition(".")[0]
    return fault.model_copy(update={"line": written.lines.get(field)})


def checked(row: WorkflowRow) -> Definition:
    """What a stored one means; raises `Misused` when somebody wrote what is no workflow."""
    try:
        return definitions.read(*row.columns)
    except Malformed as error:
        raise Misused(
            f"{row.name} is no workflow: {error}. Correct it: `hopfleet workflows export {row.id}"
            f" > FILE`, then `hopfleet workflows set {row.id} FILE`."
        ) from None


def first_time(trigger: Trigger, now: datetime) -> datetime | None:
    """When it is due next; None for what has no schedule. `Misused` when it is over."""
    if not isinstance(trigger, Scheduled):
        return None
    following = Schedule.of(trigger).next_after(now)
    if following is None:
        raise Misused("Its schedule is over: give it a time to come.")
    return following


def hook_url(row: WorkflowRow) -> str | None:
    """The address that fires it; None unless it listens to its hook."""
    config = row.trigger_config if isinstance(row.trigger_config, dict) else {}
    if row.trigger_type != "event" or config.get("event") != "hook":
        return None
    chosen = settings()
    return hooks.url(chosen.url, row.id, row.hook_number, chosen.secret)


def listens(definition: Definition) -> str | None:
    """The kind of event that fires it."""
    trigger = definition.trigger
    return trigger.event if isinstance(trigger, EventTrigger) else None


def document(columns: Columns) -> dict[str, Any]:
    """A definition as people write it, from its columns, whatever they hold."""
    config = dict(columns.trigger_config) if isinstance(columns.trigger_config, dict) else {}
    settings_ = config.pop("settings", None)
    found = {"name": columns.name, "trigger": {"type": columns.trigger_type, **config}}
    if columns.conditions is not None:
        found["conditions"] = columns.conditions
    found["actions"] = _steps(columns.actions)
    return found if settings_ is None else {**found, "settings": settings_}


def _steps(told: Any) -> Any:
    if not isinstance(told, list):
        return told
    return [_ordered(one) if isinstance(one, dict) else one for one in told]


def _ordered(step: dict[str, Any]) -> dict[str, Any]:
    middle = [name for name in step if name not in (*_FIRST, *_LAST)]
    names = [*_FIRST, *middle, *_LAST]
    return {name: _inner(step[name]) for name in names if name in step}


def _inner(told: Any) -> Any:
    """What stands in a step, its inner steps in order, too."""
    if isinstance(told, dict):
        return {
            name: _steps(one) if name in ("then", "else", "do") else one
            for name, one in told.items()
        }
    return _steps(told)


def dump(columns: Columns) -> str:
    """A definition as YAML, which `read` takes back as it was."""
    dumped: str = yaml.safe_dump(
        document(columns), sort_keys=False, allow_unicode=True, width=100, default_flow_style=False
    )
    return dumped
