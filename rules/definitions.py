"""Definitions: a workflow's columns are read, every fault with the field it is in."""

from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from rules import conditions, interpolation
from rules.conditions import Unreadable
from rules.interpolation import Unrenderable
from rules.schedules import NoNextTime, Schedule
from schemas import triggers
from schemas.actions import Step
from schemas.triggers import EventTrigger, Fault, Malformed, Scheduled, faults_of
from schemas.workflows import Definition

MOST_BYTES = 256 * 1024
MOST_STEPS = 200
MOST_DEPTH = 8
_STEPS: TypeAdapter[list[Step]] = TypeAdapter(list[Step])


def read(
    name: Any, trigger_type: Any, trigger_config: Any, conditions_told: Any, actions: Any
) -> Definition:
    """A definition from its columns, whoever wrote them; raises `Malformed` and nothing else."""
    faults: list[Fault] = []
    if not isinstance(name, str) or not name.strip() or len(name) > 255:
        faults.append(Fault(field="name", message="it is a text of 1 to 255 characters"))
    elif any(ord(one) < 32 or ord(one) == 127 for one in name):
        faults.append(Fault(field="name", message="it holds a control character"))
    _bound(trigger_config, conditions_told, actions)
    trigger = None
    on_error: list[Step] = []
    try:
        trigger = triggers.read(trigger_type, trigger_config)
        faults += _trigger_faults(trigger)
        on_error = _STEPS.validate_python(trigger.settings.on_error)
    except Malformed as error:
        faults += error.faults
    except ValidationError as error:
        faults += faults_of(error, "trigger.settings.on_error")
    faults += _compiles("conditions", conditions_told)
    steps: list[Step] = []
    if not isinstance(actions, list):
        faults.append(Fault(field="actions", message="it is a list of steps"))
    else:
        try:
            steps = _STEPS.validate_python(actions)
        except ValidationError as error:
            faults += faults_of(error, "actions")
        except RecursionError:
            faults.append(Fault(field="actions", message="it is nested too deep"))
    if not faults and not steps:
        faults.append(Fault(field="actions", message="there is none: add a step"))
    faults += _step_faults([*steps, *on_error])
    if faults or trigger is None:
        raise Malformed(faults)
    return Definition(name, trigger, conditions_told, tuple(steps), tuple(on_error))


def _bound(*columns: Any) -> None:
    try:
        size = sum(len(orjson.dumps(column)) for column in columns)
    except (TypeError, ValueError, RecursionError):
        raise Malformed([Fault(field="", message="it is no JSON, or nested too deep")]) from None
    if size > MOST_BYTES:
        said = f"the definition is longer than {MOST_BYTES // 1024} kB"
        raise Malformed([Fault(field="", message=said)])


def _trigger_faults(trigger: triggers.Trigger) -> list[Fault]:
    if isinstance(trigger, EventTrigger):
        return _compiles("trigger.where", list(trigger.where))
    if isinstance(trigger, Scheduled):
        try:
            Schedule.of(trigger)
        except (NoNextTime, ValueError) as error:
            return [Fault(field="trigger.cron" if trigger.cron else "trigger", message=str(error))]
    return []


def _compiles(field: str, told: Any) -> list[Fault]:
    try:
        conditions.compiled(told)
    except Unreadable as error:
        return [Fault(field=field, message=str(error))]
    return []


def walk(steps: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, Step, int]]:
    """All steps with their paths and how deep they stand, inner ones after their outer one."""
    for number, step in enumerate(steps, 1):
        path = f"{prefix}{number}"
        yield path, step, depth
        inner: list[tuple[Any, str]] = []
        if step.action == "branch":
            inner = [(step.args.then, f"{path}.then."), (step.args.else_, f"{path}.else.")]
        elif step.action == "for_each":
            inner = [(step.args.do, f"{path}.for.")]
        if not isinstance(step.on_error, str):
            inner.append((step.on_error, f"{path}.on_error."))
        for one, below in inner:
            yield from walk(one, below, depth + 1)


def _step_faults(steps: list[Step]) -> list[Fault]:
    faults: list[Fault] = []
    names: set[str] = set()
    found = list(walk(steps, ""))
    known = {step.name or f"{path}_{step.action}" for path, step, _ in found}
    if len(found) > MOST_STEPS:
        return [Fault(field="actions", message=f"there are more than {MOST_STEPS} steps")]
    for path, step, depth in found:
        field = f"actions.{path}"
        if depth > MOST_DEPTH:
            return [Fault(field=field, message=f"steps are nested more than {MOST_DEPTH} deep")]
        if step.name is not None and step.name in names:
            faults.append(Fault(field=field, message=f"another step is called {step.name!r}"))
        names.add(step.name or "")
        if step.if_ is not None:
            faults += _compiles(f"{field}.if", step.if_)
        faults += _args_faults(f"{field}.{step.action}", step, known)
    return faults


def _args_faults(field: str, step: Step, known: set[str]) -> list[Fault]:
    if step.action == "branch":
        return _compiles(f"{field}.if", step.args.if_)
    if step.action == "for_each":
        told = step.args.items
    else:
        told = step.args.model_dump(by_alias=True, exclude_none=True)
    faults: list[Fault] = []
    if step.action == "wait" and step.args.event is not None:
        faults += _compiles(f"{field}.where", step.args.where)
        if step.args.event.lower().replace(" ", "_") not in triggers.KINDS:
            said = f"there is no event {step.args.event!r}; there are {', '.join(triggers.KINDS)}"
            faults.append(Fault(field=f"{field}.event", message=said))
    try:
        names = interpolation.names(told)
    except Unrenderable as error:
        return [*faults, Fault(field=field, message=str(error))]
    for name in sorted(names):
        top, _, rest = name.partition(".")
        if (
            top == "steps"
            and rest
            and not any(rest == one or rest.startswith(one + ".") for one in known)
        ):
            said = f"`{name}` names no step; there are {', '.join(sorted(known))}"
            faults.append(Fault(field=field, message=said[:500]))
    return faults
