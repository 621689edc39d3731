"""Interpolation: `{{ path }}` in texts becomes a value. There is no logic in it, by intent.

A text that is nothing but one path keeps the value's type. A path goes through objects by name
and through lists by number: `steps.tell.body.items[0].id`. What is missing is an error that
names it, unless a default is given: `{{ event.source | default: "direct" }}`.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from base.errors import Misused

MOST_CHARACTERS = 256 * 1024
_MOST_DEPTH = 32
_MOST_VALUE_DEPTH = 100
_MOST_INSIDE = 1_000  # characters between two pairs of braces
_PART = r"[A-Za-z0-9_-]+"
_INSIDE = re.compile(
    rf"\s*+({_PART}(?:\.{_PART}|\[\d+\])*)\s*+(?:\|\s*+default:\s*+(\"[^\"]*\"|'[^']*'|-?\d+(?:\.\d+)?))?\s*+"
)
_STEP = re.compile(rf"{_PART}|\[\d+\]")
_ABSENT = object()


class Unrenderable(Misused):
    """A template that cannot be filled in; the text names what is wrong or missing."""


class _Part(NamedTuple):
    """A piece of a template: text, or a path with its default."""

    text: str
    path: tuple[str | int, ...] = ()
    default: Any = _ABSENT


@lru_cache(10_000)
def _parsed(template: str) -> tuple[_Part, ...]:
    parts = []
    at = 0
    # Not by a pattern: one looks for the end from each `{{`, which takes minutes of thousands.
    while (start := template.find("{{", at)) >= 0 and (end := template.find("}}", start + 2)) >= 0:
        if start > at:
            parts.append(_Part(template[at:start]))
        inside = None
        if end - start <= _MOST_INSIDE:
            inside = _INSIDE.fullmatch(template, start + 2, end)
        if inside is None:
            raise Unrenderable(
                f"`{template[start : end + 2][:100]}` is no path:"
                " it looks like {{ campaign.name }}"
            )
        path = tuple(
            int(one[1:-1]) if one.startswith("[") else one for one in _STEP.findall(inside[1])
        )
        default = _ABSENT if inside[2] is None else _literal(inside[2])
        parts.append(_Part(inside[1], path, default))
        at = end + 2
    if at < len(template):
        parts.append(_Part(_text(template[at:])))
    return tuple(parts)


def _text(text: str) -> str:
    if "{{" in text:
        raise Unrenderable(f"`{text[text.index('{{') :][:50]}` is not closed by `}}}}`")
    return text


def _literal(told: str) -> Any:
    if told[0] in "\"'":
        return told[1:-1]
    return float(told) if "." in told else int(told)


def render(value: Any, values: Mapping[str, Any]) -> Any:
    """`value` with every path filled in; raises `Unrenderable`."""
    room = [MOST_CHARACTERS]
    return _render(value, values, room, 0)


_LITERAL = re.compile(r"([\"'])(\{\{.*?\}\})\1|(\{\{.*?\}\})", re.S)


def render_expression(text: str, values: Mapping[str, Any]) -> str:
    """A condition with every path, quoted or not, filled in as a literal.

    Whatever a value holds, it is a text or a number there, and never a part of the expression.
    """

    def literal(found: re.Match[str]) -> str:
        value = render(found[2] or found[3], values)
        if found[2]:
            value = _shown(value)
        if value is not None and not isinstance(value, str | int | float | bool):
            raise Unrenderable(f"`{found[0][:100]}` is no text or number")
        return orjson.dumps(value).decode()

    return _LITERAL.sub(literal, text)


def _render(value: Any, values: Mapping[str, Any], room: list[int], depth: int) -> Any:
    if depth > _MOST_DEPTH:
        raise Unrenderable(f"it is nested more than {_MOST_DEPTH} deep")
    if isinstance(value, str):
        return _fill(value, values, room)
    if isinstance(value, Mapping):
        return {
            str(_fill(str(name), values, room)): _render(one, values, room, depth + 1)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_render(one, values, room, depth + 1) for one in value]
    return value


def _fill(template: str, values: Mapping[str, Any], room: list[int]) -> Any:
    if "{{" not in template:
        _spend(room, len(template))
        return template
    parts = _parsed(template)
    if len(parts) == 1 and parts[0].path:
        found = _plain(_found(parts[0], values))
        _spend(room, len(found) if isinstance(found, str) else _size(found))
        return found
    texts = []
    for part in parts:
        text = _shown(_found(part, values)) if part.path else part.text
        _spend(room, len(text))
        texts.append(text)
    return "".join(texts)


def _spend(room: list[int], characters: int) -> None:
    room[0] -= characters
    if room[0] < 0:
        raise Unrenderable(f"it becomes longer than {MOST_CHARACTERS} characters")


def _size(value: Any) -> int:
    return len(_json(value)) if isinstance(value, dict | list) else 20


def _found(part: _Part, values: Mapping[str, Any]) -> Any:
    found: Any = values
    for step in part.path:
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list | tuple) and _index(step) is not None:
            at = _index(step)
            assert at is not None
            if at >= len(found):
                found = None
                break
            found = found[at]
        else:
            found = None
            break
    if found is None:
        if part.default is not _ABSENT:
            return part.default
        raise Unrenderable(f"`{part.text}` is missing")
    return found


def _index(step: str | int) -> int | None:
    if isinstance(step, int):
        return step
    return int(step) if step.isdecimal() and len(step) < 10 else None


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it; other people's answers may be nested without end."""
    if depth > _MOST_VALUE_DEPTH:
        raise Unrenderable(f"a value is nested more than {_MOST_VALUE_DEPTH} deep")
    if isinstance(value, str):
        # No surrogate halves: neither the database nor a mail can hold them.
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    return value


def _shown(value: Any) -> str:
    """A value inside a text."""
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return _json(plain)


def _json(plain: Any) -> str:
    try:
        return orjson.dumps(plain, default=str).decode()
    except TypeError:  # a number beyond 64 bits, which a row may well hold
        return json.dumps(plain, default=str, ensure_ascii=False)


def names(value: Any) -> frozenset[str]:
    """The paths a template names; raises `Unrenderable` when it cannot be read."""
    found: set[str] = set()
    _names(value, found, 0)
    return frozenset(found)


def _names(value: Any, found: set[str], depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise Unrenderable(f"it is nested more than {_MOST_DEPTH} deep")
    if isinstance(value, str):
        if "{{" in value:
            found |= {
                ".".join(str(step) for step in part.path) for part in _parsed(value) if part.path
            }
    elif isinstance(value, Mapping):
        for name, one in value.items():
            _names(str(name), found, depth + 1)
            _names(one, found, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _names(one, found, depth + 1)
