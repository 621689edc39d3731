"""Definitions as people write them: YAML or JSON, read with the line of every field.

Of YAML there is what JSON has, and comments: no tags, no aliases, no key twice; `on`, `no` and
`12:30` are texts, as YAML 1.2 has it, and a time stays the text that it was written as.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import orjson
import yaml

from schemas.triggers import Fault, Malformed

MOST_BYTES = 256 * 1024
_MOST_DEPTH = 60
_FIELDS = ("name", "trigger", "conditions", "actions", "settings")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null"))


class Written(NamedTuple):
    """A definition's columns, and the line of each field, as `actions.0.http_request.url`."""

    name: Any
    trigger_type: Any
    trigger_config: dict[str, Any]
    conditions: Any
    actions: Any
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # published without types
    """Reads the part of YAML that is JSON."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node; an alias could stand for gigabytes."""
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            raise _Refused(
                f"`*{alias.anchor}` repeats what stands elsewhere: write it out",
                alias.start_mark.line + 1,
            )
        return super().compose_node(parent, index)


class _Refused(Exception):
    def __init__(self, message: str, line: int, field: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(field=field, message=message, line=line)


# What PyYAML, which follows YAML 1.1, writes without quotes is read here as it was meant.
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


def parse(text: str | bytes) -> Written:
    """The columns of a definition; raises `Malformed`. What they mean nobody has checked yet."""
    told, lines = _read(_decoded(text))
    if not isinstance(told, dict):
        raise Malformed([Fault(field="", message="it is no list of fields, `name:` and so on")])
    faults = [
        Fault(field=str(name)[:50], message=f"there are {', '.join(_FIELDS)}", line=lines.get(name))
        for name in told
        if name not in _FIELDS
    ]
    faults += [
        Fault(field=name, message="it is missing")
        for name in ("name", "trigger", "actions")
        if name not in told
    ]
    trigger = told.get("trigger", {})
    if not isinstance(trigger, dict):
        said = "it is an object such as {type: manual}"
        faults.append(Fault(field="trigger", message=said, line=lines.get("trigger")))
    elif "type" not in trigger and not faults:
        said = "it is missing: manual, scheduled or event"
        faults.append(Fault(field="trigger.type", message=said, line=lines.get("trigger")))
    elif "settings" in told and "settings" in trigger:
        said = "they stand below `trigger`, too: write them once"
        faults.append(Fault(field="settings", message=said, line=lines.get("settings")))
    if faults:
        raise Malformed(faults)
    config = {name: value for name, value in trigger.items() if name != "type"}
    if "settings" in told:
        config["settings"] = told["settings"]
    return Written(
        told["name"], trigger["type"], config, told.get("conditions"), told["actions"], lines
    )


def _decoded(text: str | bytes) -> str:
    if len(text) > MOST_BYTES:
        said = f"it is longer than {MOST_BYTES // 1024} kB"
        raise Malformed([Fault(field="", message=said)])
    try:
        plain = text.decode() if isinstance(text, bytes) else text
        plain.encode()
    except UnicodeError:
        raise Malformed([Fault(field="", message="it is no text in UTF-8")]) from None
    if "\0" in plain:
        raise Malformed([Fault(field="", message="it is no text: it holds zero bytes")])
    return plain.removeprefix("\ufeff")


def _read(text: str) -> tuple[Any, dict[str, int]]:
    lines: dict[str, int] = {}
    try:
        if text.lstrip().startswith("{") and (found := _json(text)) is not None:
            return found, lines
        loader = _Loader(text)
        node = loader.get_single_node()
        return (None if node is None else _value(node, "", lines, 0)), lines
    except _Refused as error:
        raise Malformed([error.fault]) from None
    except RecursionError:
        raise Malformed([Fault(field="", message="it is nested too deep")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark is not None else None
        raise Malformed([Fault(field="", message=f"it is no YAML: {said}", line=line)]) from None
    except yaml.YAMLError:
        raise Malformed([Fault(field="", message="it holds characters no text has")]) from None


def _json(text: str) -> Any:
    """What JSON that YAML does not read says: with tabs between its words."""
    if "\t" not in text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _value(node: Any, path: str, lines: dict[str, int], depth: int) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if depth > _MOST_DEPTH:
        raise _Refused(f"it is nested more than {_MOST_DEPTH} deep", line, path)
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        return dict(_pairs(node, path, lines, depth))
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [
            _value(one, _below(path, number), lines, depth + 1)
            for number, one in enumerate(node.value)
        ]
    if isinstance(node, yaml.ScalarNode) and node.tag in _TAGS:
        return _scalar(node)
    raise _Refused(f"`{node.tag[:50]}` is no type there is: leave it out", line, path)


def _pairs(node: Any, path: str, lines: dict[str, int], depth: int) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            hint = "put quotes around it" if isinstance(key, yaml.MappingNode) else "it is a list"
            raise _Refused(f"a field's name is a text: {hint}", line, path)
        name = str(key.value)
        below = _below(path, name)
        if name in seen:
            raise _Refused("it stands there twice", line, below)
        seen.add(name)
        lines[below] = line
        yield name, _value(value, below, lines, depth + 1)


def _below(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path else str(name)


def _scalar(node: Any) -> Any:
    kind, text = node.tag.rpartition(":")[2], node.value
    if kind == "bool":
        return text.lower() == "true"
    if kind == "null":
        return None
    if kind == "int":
        return int(text) if len(text) < 20 else text
    return float(text) if kind == "float" else text
