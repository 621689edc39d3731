"""Subjects: what a definition speaks of, by the names in its conditions and templates."""

from typing import NamedTuple

from rules import conditions, interpolation
from schemas.actions import Step
from schemas.workflows import Definition


def wants_campaign(definition: Definition) -> bool:
    """Whether a definition speaks of a campaign or its statistics."""
    return bool({"campaign", "stats"} & _tops(definition))


class _Tops(NamedTuple):
    definition: Definition
    tops: frozenset[str]


_known: dict[int, _Tops] = {}


def _tops(definition: Definition) -> frozenset[str]:
    """The first parts of all paths a definition names; looked for once."""
    found = _known.get(id(definition))
    if found is not None and found.definition is definition:
        return found.tops
    names: set[str] = set()
    if definition.conditions:
        names |= conditions.compiled(definition.conditions).names
    for step in definition.actions:
        names |= _names(step)
    tops = frozenset(name.partition(".")[0] for name in names)
    if len(_known) > 5_000:
        _known.clear()
    _known[id(definition)] = _Tops(definition, tops)
    return tops


def _names(step: Step) -> set[str]:
    names: set[str] = set()
    if step.if_:
        names |= conditions.compiled(step.if_).names
    if step.action == "branch":
        names |= conditions.compiled(step.args.if_).names
        inner = [*step.args.then, *step.args.else_]
    elif step.action == "for_each":
        names |= interpolation.names(step.args.items)
        inner = list(step.args.do)
    else:
        args = step.args.model_dump(by_alias=True, exclude_none=True)
        names |= interpolation.names(args)
        needs = step.action == "set_campaign_status" and not args.get("campaign")
        names |= {"campaign"} if needs else set()
        inner = []
    inner += step.on_error if isinstance(step.on_error, list | tuple) else []
    return names.union(*map(_names, inner)) if inner else names
