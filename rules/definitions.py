"""Definitions: a workflow's columns are read, every fault with the field it is in."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from rules import conditions, interpolation
from rules.conditions import Unreadable
from rules.interpolation import Unrenderable
from rules.schedules import NoNextTime, Schedule
from schemas import triggers
from schemas.actions import ACTIONS, BESIDE, Step
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
        told = trigger_config["settings"]["on_error"]
        faults += _placed(faults_of(error, ""), told, "trigger.settings.on_error")
    faults += _compiles("conditions", conditions_told)
    steps: list[Step] = []
    if not isinstance(actions, list):
        faults.append(Fault(field="actions", message="it is a list of steps"))
    else:
        try:
            steps = _STEPS.validate_python(actions)
        except ValidationError as error:
            faults += _placed(faults_of(error, ""), actions, "actions")
        except RecursionError:
            faults.append(Fault(field="actions", message="it is nested too deep"))
    if not faults and not steps:
        faults.append(Fault(field="actions", message="there is none: add a step"))
    faults += _step_faults(steps, on_error)
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


def _placed(faults: list[Fault], steps: Any, root: str) -> list[Fault]:
    """Faults of steps, each at its place in the JSON: pydantic leaves out the action's name."""
    return [
        fault.model_copy(update={"field": ".".join((root, *_place(fault.field, steps)))})
        for fault in faults
    ]


def _place(field: str, told: Any) -> Iterator[str]:
    for part in field.split("."):
        if isinstance(told, list) and part.isdigit():
            told = told[int(part)] if int(part) < len(told) else None
        elif isinstance(told, dict):
            action = next((name for name in told if name in ACTIONS), None)
            if part not in told and action is not None and part not in BESIDE:
                yield action
                told = told[action]
            told = told.get(part) if isinstance(told, dict) else None
        else:
            continue  # a kind of value that was tried in vain: `list[Step]`
        yield part


class Placed(NamedTuple):
    """A step, its path among a run's steps, its place in the JSON, and how deep it stands."""

    path: str
    field: str
    step: Step
    depth: int


def walk(steps: Any, prefix: str, field: str = "actions", depth: int = 0) -> Iterator[Placed]:
    """All steps, inner ones after their outer one."""
    for number, step in enumerate(steps):
        path, place = f"{prefix}{number + 1}", f"{field}.{number}"
        yield Placed(path, place, step, depth)
        for name, inner in _inner(step):
            below = name if name == "on_error" else f"{step.action}.{name}"
            word = "for" if name == "do" else name
            yield from walk(inner, f"{path}.{word}.", f"{place}.{below}", depth + 1)


def _inner(step: Step) -> Iterator[tuple[str, Any]]:
    if step.action == "branch":
        yield "then", step.args.then
        yield "else", step.args.else_
    elif step.action == "for_each":
        yield "do", step.args.do
    if not isinstance(step.on_error, str):
        yield "on_error", step.on_error


def _step_faults(steps: list[Step], on_error: list[Step]) -> list[Fault]:
    faults: list[Fault] = []
    names: set[str] = set()
    found = [*walk(steps, ""), *walk(on_error, "on_error.", "trigger.settings.on_error")]
    known = {one.step.name or f"{one.path}_{one.step.action}" for one in found}
    if len(found) > MOST_STEPS:
        return [Fault(field="actions", message=f"there are more than {MOST_STEPS} steps")]
    for _, field, step, depth in found:
        if depth > MOST_DEPTH:
            return [Fault(field=field, message=f"steps are nested more than {MOST_DEPTH} deep")]
        if step.name is not None and step.name in names:
            faults.append(
                Fault(field=f"{field}.name", message=f"another step is called {step.name!r}")
            )
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
        if step.args.event not in triggers.WAITED_FOR:
            kinds = ", ".join(triggers.WAITED_FOR)
            said = f"there is no event {step.args.event!r} to wait for; there are {kinds}"
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


def step_names(actions: str) -> list[str]:
    """The names of the outermost steps, of JSON as text; none when it is no list of steps."""
    try:
        steps = _STEPS.validate_json(actions)
    except ValidationError:
        return []
    return [step.name or f"{number}_{step.action}" for number, step in enumerate(steps, 1)]


def step_number(actions: str, named: str) -> int | None:
    """Which of the outermost steps is meant, from 1, by its number or name; None when none is."""
    for number, name in enumerate(step_names(actions), 1):
        if named in (str(number), name):
            return number
    return None
