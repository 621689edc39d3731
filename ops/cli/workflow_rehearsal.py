"""Rehearsing: what a run's steps would be given, with nothing of it done."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rules import conditions, interpolation
from rules.interpolation import Unrenderable
from schemas.actions import Step
from schemas.triggers import Scheduled
from schemas.workflows import Definition
from workers.workflows.scope import Scope

_MOST_ITEMS = 3
# What only a run can know: what its steps give.
_LATER = ("steps",)


class Rehearsed(NamedTuple):
    """A step as it would be: `does` is None when only the run can say."""

    path: str
    name: str
    action: str
    does: bool | None
    clauses: list[dict[str, Any]]
    input: Any
    error: str | None
    note: str | None

    @property
    def depth(self) -> int:
        """How deep it stands below the outermost steps."""
        return self.path.count(".") // 2


class Subject(NamedTuple):
    """What a run would be about, and whether its conditions hold there."""

    campaign: dict[str, Any] | None
    holds: bool | None
    clauses: list[dict[str, Any]]


class Told(NamedTuple):
    """All that a dry run finds out."""

    name: str
    definition: Definition
    now: datetime
    next: list[datetime]
    over: str | None  # why there is no next time
    event: dict[str, Any] | None
    where: tuple[bool | None, list[dict[str, Any]]]
    subjects: list[Subject]
    lacks: str | None  # why there is nothing it could be about
    steps: list[Rehearsed]


def zone_of(definition: Definition) -> ZoneInfo:
    """The zone whose clock the schedule goes by."""
    trigger = definition.trigger
    return ZoneInfo(trigger.timezone if isinstance(trigger, Scheduled) else "UTC")


def judged(told: Any, scope: Scope) -> tuple[bool | None, list[dict[str, Any]]]:
    """Whether conditions would hold, and each expression; None when only the run can say."""
    if not told:
        return True, []
    compiled = conditions.compiled(told)
    verdict = compiled.judge(scope.compared(compiled.names))
    clauses = [one._asdict() for one in verdict.clauses]
    later = any(name.partition(".")[0] in _LATER for name in compiled.names)
    return None if later else verdict.holds, clauses


def steps(
    told: Any, scope: Scope, prefix: str = "", does: bool | None = True
) -> Iterator[Rehearsed]:
    """All steps, inner ones behind their outer one; both ways of a branch."""
    for number, step in enumerate(told, 1):
        yield from _step(step, f"{prefix}{number}", scope, does)


def _step(step: Step, path: str, scope: Scope, does: bool | None) -> Iterator[Rehearsed]:
    holds, clauses = judged(step.if_, scope)
    here = _both(does, holds)
    name = step.name or f"{path}_{step.action}"
    found = Rehearsed(path, name, step.action, here, clauses, None, None, None)
    if step.action == "branch":
        taken, asked = judged(step.args.if_, scope)
        yield found._replace(clauses=clauses + asked, note=_way(taken))
        yield from steps(step.args.then, scope, f"{path}.then.", _both(here, taken))
        other = None if taken is None else not taken
        yield from steps(step.args.else_, scope, f"{path}.else.", _both(here, other))
    elif step.action == "for_each":
        yield from _each(step, path, scope, found)
    else:
        args = step.args.model_dump(by_alias=True, exclude_none=True)
        try:
            yield found._replace(input=_rendered(args, scope), error=_unsigned(args, scope))
        except Unrenderable as error:
            yield found._replace(input=args, error=str(error))


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _way(taken: bool | None) -> str:
    if taken is None:
        return "its way depends on what earlier steps give"
    return f"takes `{'then' if taken else 'else'}`"


def _each(step: Step, path: str, scope: Scope, found: Rehearsed) -> Iterator[Rehearsed]:
    try:
        items = _rendered(step.args.items, scope)
    except Unrenderable as error:
        yield found._replace(error=str(error))
        return
    if not isinstance(items, list):
        yield found._replace(note="its items are what earlier steps give")
        items = [_unknown("item")]
    elif len(items) > step.args.max:
        yield found._replace(error=f"{len(items)} items are more than {step.args.max}")
        return
    else:
        more = f", the first {_MOST_ITEMS} of them here" if len(items) > _MOST_ITEMS else ""
        yield found._replace(note=f"{len(items)} items{more}")
    before = scope.locals
    for number, item in enumerate(items[:_MOST_ITEMS], 1):
        scope.locals = {**before, step.args.as_: item, "item": item}
        yield from steps(step.args.do, scope, f"{path}.for.{number}.", found.does)
    scope.locals = before


def _rendered(told: Any, scope: Scope) -> Any:
    """A template filled in; secrets are hidden, and what only a run knows stands in `<…>`."""
    names = interpolation.names(told)
    values = scope.hidden(scope.values(names))
    values["steps"] = {}
    for name in names:
        if name.partition(".")[0] in _LATER:
            _put(values, name)
    return interpolation.render(told, values)


def _unknown(name: str) -> str:
    return f"<{name}>"


def _put(values: dict[str, Any], name: str) -> None:
    """Have a path lead to a text that names it."""
    parts = name.split(".")
    at = values
    for part in parts[:-1]:
        below = at.get(part)
        if not isinstance(below, dict):
            below = {}
        for key in _keys(part):
            at[key] = below
        at = below
    for key in _keys(parts[-1]):
        at.setdefault(key, _unknown(name))


def _keys(part: str) -> tuple[Any, ...]:
    """A part of a path as an object's key, and as a list's index, which looks alike."""
    return (part, int(part)) if part.isdecimal() and len(part) < 10 else (part,)


def _unsigned(args: dict[str, Any], scope: Scope) -> str | None:
    """What is wrong with the secret that a request is to be signed with."""
    sign = args.get("sign")
    name = "webhook" if sign is True else sign
    if not name or name in scope.secrets():
        return None
    return f"it is to be signed with the secret `{name}`, which does not exist"
