"""The JSON Schema of what doors accept, exact: what it allows is taken, what it forbids is not.

Two limits cannot be said in JSON Schema and stand in descriptions: the bytes of an item, and
how deep its metadata may nest.
"""

from typing import Any

from schemas.beacon import EVENTS
from schemas.events import MONEY_TYPES, EventIn
from schemas.fields import FLEET_ONLY, PRINTABLE, UNSTORABLE, VALUE_CHARACTERS
from schemas.metadata import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_KEY_CHARACTERS,
    MAX_NUMBER,
    MIN_NUMBER,
    TEXTS,
)

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}
_STORABLE: Schema = {"type": "string", "pattern": f"^[^{UNSTORABLE}]*$"}
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_H = "[0-9A-Fa-f]{1,4}"


def _ipv6() -> str:
    """All spellings of an IPv6 address, the last 32 bits perhaps as IPv4."""
    end = f"(?:{_H}:{_H}|{_IPV4})"
    forms = [f"(?:{_H}:){{6}}{end}"]
    for behind in range(6):  # groups between the gap and the end
        before = f"(?:(?:{_H}:){{0,{4 - behind}}}{_H})?" if behind < 5 else ""
        forms.append(f"{before}::(?:{_H}:){{{behind}}}{end}")
    forms.append(f"(?:(?:{_H}:){{0,5}}{_H})?::{_H}")
    forms.append(f"(?:(?:{_H}:){{0,6}}{_H})?::")
    return "|".join(forms)


def event() -> Schema:
    """One item of `/v1/events`; refers to `Kept` among the document's components."""
    schema = EventIn.model_json_schema()
    properties: Schema = schema["properties"]
    for name in ("tracking_id", "event_id", "order_id"):
        properties[name]["anyOf"][0]["pattern"] = PRINTABLE
    for name, found in properties.items():
        if name == "source" or name.startswith("sub"):
            found["anyOf"][0]["pattern"] = _STORABLE["pattern"]
    properties["metadata"]["anyOf"][0] = _metadata()
    given: list[Schema] = [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in ("tracking_id", "click_id")
    ]
    no_money: Schema = {"properties": {"amount": _NULL, "email": _NULL}}
    schema["allOf"] = [
        {"anyOf": given},
        {"anyOf": [no_money, {"properties": {"type": {"enum": list(MONEY_TYPES)}}}]},
    ]
    schema["description"] = f"One event; {MAX_BYTES:,} bytes of JSON at most."
    return schema


def _text(most: int) -> Schema:
    return {"anyOf": [{**_STORABLE, "maxLength": most}, _NULL]}


def _pattern(pattern: str) -> Schema:
    return {"anyOf": [{"type": "string", "pattern": pattern}, _NULL]}


def _metadata() -> Schema:
    known: Schema = {name: _text(most) for name, most in TEXTS.items()}
    known["ip"] = _pattern(f"^(?:{_IPV4}|{_ipv6()})$")
    known["country"] = _pattern("^[A-Z]{2}$")
    known["currency"] = _pattern("^[A-Z]{3}$")
    known |= {name: {"not": {}} for name in sorted(FLEET_ONLY)}
    return {
        **_object(),
        "description": f"Your own data, nested {MAX_DEPTH} levels at most.",
        "properties": known,
        "patternProperties": {"^utm_": _text(VALUE_CHARACTERS)},
    }


def _object() -> Schema:
    return {
        "type": "object",
        "propertyNames": {**_STORABLE, "maxLength": MAX_KEY_CHARACTERS},
        "additionalProperties": {"$ref": "#/components/schemas/Kept"},
    }


def kept() -> Schema:
    """What metadata may hold: JSON that PostgreSQL and JavaScript keep unchanged."""
    number: Schema = {
        "type": "number",
        "anyOf": [
            {"const": 0},
            {"minimum": MIN_NUMBER, "maximum": MAX_NUMBER},
            {"minimum": -MAX_NUMBER, "maximum": -MIN_NUMBER},
        ],
    }
    array = {"type": "array", "items": {"$ref": "#/components/schemas/Kept"}}
    return {"anyOf": [_NULL, {"type": "boolean"}, _STORABLE, number, array, _object()]}


def beacon() -> Schema:
    """What a page tells; other fields are kept or ignored, never refused."""
    unsaid: list[Any] = ["", None]
    said: Schema = {"enum": [*EVENTS]}
    return {
        "type": "object",
        "properties": {"event": {"enum": [*EVENTS, *unsaid]}},
        "anyOf": [
            {"required": ["event"], "properties": {"event": said}},
            # What /v1/events calls it counts where there is no event.
            {"properties": {"event": {"enum": unsaid}, "type": {"enum": [*EVENTS, *unsaid]}}},
        ],
        "additionalProperties": True,
    }
