"""The shape of a definition's file as JSON Schema, for editors."""

from typing import Any

from pydantic import BaseModel

from schemas.actions import ACTIONS, Retry
from schemas.triggers import TYPES, RunSettings

_REF = "#/$defs/{model}"
_GROUPS = ("all", "any")
_TIMES = ("cron", "every_seconds", "every_minutes", "every_hours", "every_days", "at")
_STEPS = {"type": "array", "items": {"$ref": "#/$defs/Step"}, "maxItems": 100}


def of_file() -> dict[str, Any]:
    """The whole schema: what `workflows add` takes as YAML or JSON."""
    shared: dict[str, Any] = {"Step": _step(), "Conditions": _conditions()}
    triggers = [_trigger(name, model, shared) for name, model in TYPES.items()]
    del shared["RunSettings"]  # it stands below `settings`
    for name, model in ACTIONS.items():
        shared[f"action_{name}"] = _plain(model, shared)
    shared["Retry"] = _plain(Retry, shared)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A workflow of Hopfleet",
        "type": "object",
        "required": ["name", "trigger", "actions"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 255},
            "trigger": {"oneOf": triggers, "description": "When it runs."},
            "conditions": {"$ref": "#/$defs/Conditions", "description": "What must hold, in CEL."},
            "actions": {**_STEPS, "minItems": 1, "description": "What it does, in this order."},
            "settings": _plain(RunSettings, shared),
        },
        "$defs": shared,
    }


def _plain(model: type[BaseModel], shared: dict[str, Any]) -> dict[str, Any]:
    """A model's schema; what several use goes to `shared`."""
    found = model.model_json_schema(ref_template=_REF)
    for name, one in found.pop("$defs", {}).items():
        shared.setdefault(name, one)
    _steps_of(found.get("properties", {}))
    return found


def _steps_of(fields: dict[str, Any]) -> None:
    """Put steps, as people write them, where the model has them read."""
    for name in ("then", "else", "do", "on_error"):
        if name in fields:
            fields[name] = {**_STEPS, "description": fields[name].get("description", "Steps.")}
    if "if" in fields:
        fields["if"] = {"$ref": "#/$defs/Conditions"}


def _trigger(name: str, model: type[BaseModel], shared: dict[str, Any]) -> dict[str, Any]:
    found = _plain(model, shared)
    fields = {"type": {"const": name}, **found["properties"]}
    fields.pop("settings", None)
    found["properties"] = fields
    found["required"] = ["type", *found.get("required", [])]
    if name == "scheduled":
        found["oneOf"] = [{"required": [one]} for one in _TIMES]
    return found


def _step() -> dict[str, Any]:
    actions: dict[str, dict[str, Any]] = {
        name: {"$ref": f"#/$defs/action_{name}", "description": model.__doc__}
        for name, model in ACTIONS.items()
    }
    # An action that needs nothing may be written without braces: `sync_products:`.
    actions["sync_products"] = {
        "anyOf": [{"$ref": "#/$defs/action_sync_products"}, {"type": "null"}]
    }
    beside = {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"},
        "if": {"$ref": "#/$defs/Conditions", "description": "Only if that holds, in CEL."},
        "on_error": {
            "description": "What happens when it fails.",
            "anyOf": [{"enum": ["fail", "continue"]}, _STEPS],
        },
        "retry": {"$ref": "#/$defs/Retry"},
    }
    return {
        "type": "object",
        "description": "One action, and what belongs to it.",
        "properties": {**actions, **beside},
        "additionalProperties": False,
        "oneOf": [{"required": [name]} for name in ACTIONS],
    }


def _conditions() -> dict[str, Any]:
    several = {"type": "array", "items": {"$ref": "#/$defs/Conditions"}, "maxItems": 50}
    group = {
        "type": "object",
        "properties": {**dict.fromkeys(_GROUPS, several), "not": {"$ref": "#/$defs/Conditions"}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    text = {"type": "string", "minLength": 1, "maxLength": 2_000}
    return {
        "description": "A CEL expression, a list of which all must hold, or a group.",
        "anyOf": [text, several, group, {"type": "null"}],
    }
