"""Hooks, described for machines."""

from typing import Any

_KEY = {
    "name": "key",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}-[0-9]{1,10}-[A-Za-z0-9_-]{22}$"},
}
_OWN_ID = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The sender's own id; the same one fires once. `event_id` in the body does, too",
    "schema": {"type": "string", "maxLength": 255},
}
_ERROR = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {"error": {"type": "string"}},
            "required": ["error"],
        }
    }
}
_KEPT = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {"id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
            "required": ["id"],
        }
    }
}
_FORM = {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}
_REFUSED = {
    "400": "The body is no JSON and no form, or cannot be kept unchanged.",
    "404": "There is no such hook, or its address was changed.",
    "413": "The body is larger than 64 kB.",
    "415": "The body is compressed.",
    "429": "Too many posts at once.",
    "503": "Unknown: send it again.",
}


def paths() -> dict[str, Any]:
    """The doors that fire workflows."""
    post = {
        "summary": "Fire a workflow.",
        "parameters": [_KEY, _OWN_ID],
        "requestBody": {
            "required": False,
            "content": {
                "application/json": {"schema": {}},
                "application/x-www-form-urlencoded": _FORM,
            },
        },
        "responses": {"202": {"description": "On disk.", "content": _KEPT}}
        | {code: {"description": text, "content": _ERROR} for code, text in _REFUSED.items()},
    }
    return {"/hooks/{key}": {"post": post}}
