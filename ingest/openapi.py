"""`/openapi.json`: the doors described for machines, from the shapes they check with."""

from functools import cache
from typing import Any

from ingest import openapi_bonuses, openapi_hooks
from rules.networks import TEMPLATES
from schemas import described
from schemas.beacon import EVENTS

_PLAIN = {"text/plain": {"schema": {"type": "string"}}}
_TRACKING = {
    "name": "tracking_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 50},
}
_KEY = {
    "name": "key",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z2-7]{32}[0-9a-f]{8}$"},
}
_ACK = {
    "X-Click-Id": {
        "description": "The event is on disk under this click id; absent when nothing was kept.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    }
}
_LATER = {
    "Retry-After": {
        "description": "Seconds after which it may be sent again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def _query(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]


def _answer(sentence: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": sentence, **more}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    return answer


_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_VERDICTS = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "status"],
                "properties": {
                    "index": {"type": "integer", "minimum": 0},
                    "status": {"enum": ["accepted", "refused"]},
                    "click_id": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        }
    },
}


@cache
def document(url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an installation at `url`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hopfleet",
            "version": "1",
            "description": "Tracking links, pixels, beacons and events. An answer with X-Click-Id,"
            " or a verdict `accepted`, means: on disk. 503 means: unknown, send again.",
        },
        "servers": [{"url": url}],
        "paths": {
            "/r/{tracking_id}": _redirect(),
            "/p/{tracking_id}.gif": _pixel(),
            "/t/{tracking_id}.js": _script(),
            "/e/{tracking_id}": {"post": _beacon()},
            "/v1/events": {"post": _events()},
            "/postback/{key}": {"get": _postback(), "post": _postback(in_body=True)},
            "/webhooks/stripe": {"post": _stripe()},
            **openapi_bonuses.paths(_TRACKING),
            **openapi_hooks.paths(),
            "/webhooks/clickbank/{key}": {"post": _notification()},
            "/healthz": {"get": _page("Whether the process answers.", {"200": "It does."})},
            "/readyz": {
                "get": _page(
                    "Which store is missing.",
                    {"200": "Both stores answer.", "503": "One is missing; the body says which."},
                )
            },
        },
        "components": {
            "schemas": {"Event": described.event(), "Kept": described.kept()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _redirect() -> dict[str, Any]:
    parameters = [_TRACKING, *_query("source", "sub1", "utm_source", "click_id")]
    found = _answer("The campaign's destination.", headers=_ACK)
    missing = _answer("No such link, and no fallback.", content=_PLAIN)
    away = _answer("The link cannot be looked up right now.", content=_PLAIN)
    answers = {"302": found, "404": missing, "503": away}
    return {
        "get": {
            "summary": "Record a click and redirect.",
            "parameters": parameters,
            "responses": answers,
        },
        "head": {
            "summary": "The redirect, nothing recorded.",
            "parameters": parameters,
            "responses": {"302": _answer("The destination."), "404": missing, "503": away},
        },
    }


def _pixel() -> dict[str, Any]:
    event = {"name": "event", "in": "query", "schema": {"enum": ["", *EVENTS]}}
    parameters = [_TRACKING, event, *_query("order_id", "amount", "currency", "source")]
    picture = _answer("A GIF of one pixel.", headers=_ACK, content={"image/gif": {}})
    return {
        "get": {
            "summary": "Record a view, a click or a conversion; always answers with a GIF.",
            "parameters": parameters,
            "responses": {"200": picture},
        },
        "head": {
            "summary": "What GET answers, nothing recorded.",
            "parameters": parameters,
            "responses": {"200": _answer("As for GET.")},
        },
    }


def _script() -> dict[str, Any]:
    parameters = [_TRACKING, *_query("source", "sub1", "utm_source")]
    code = _answer("JavaScript.", headers=_ACK, content={"text/javascript": {}})
    return {
        "get": {
            "summary": "Record a view; the script puts its id on the page's links.",
            "parameters": parameters,
            "responses": {"200": code},
        },
        "head": {
            "summary": "A script that does nothing, nothing recorded.",
            "parameters": parameters,
            "responses": {"200": _answer("Its headers.")},
        },
    }


def _beacon() -> dict[str, Any]:
    media = {"schema": described.beacon()}
    return {
        "summary": "Record what a page tells by sendBeacon.",
        "parameters": [_TRACKING],
        "requestBody": {
            "content": dict.fromkeys(
                ("application/json", "text/plain", "application/x-www-form-urlencoded"), media
            )
        },
        "responses": {
            "204": _answer("Recorded.", headers=_ACK),
            "400": _answer("Not a JSON object, or no such event.", _ERROR),
            "404": _answer("No such tracking id.", _ERROR),
            "413": _answer("The body is too large.", _ERROR),
            "415": _answer("The body is compressed, or multipart.", _ERROR),
            "429": _answer("Too many events from this network at once.", _ERROR, headers=_LATER),
            "503": _answer("Not recorded: send it again.", _ERROR),
        },
    }


def _events() -> dict[str, Any]:
    event = {"$ref": "#/components/schemas/Event"}
    many = {"type": "array", "items": event, "minItems": 1, "maxItems": 1000}
    return {
        "summary": "Report events from a server; each gets a verdict.",
        "security": [{"key": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"oneOf": [event, many]}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "202": _answer("At least one item is on disk.", _VERDICTS),
            "400": _answer("No item was accepted.", {"anyOf": [_VERDICTS, _ERROR]}),
            "401": _answer("No valid API key.", _ERROR),
            "403": _answer("The key or the account may not.", _ERROR),
            "413": _answer("The body is larger than 512 kB.", content=_PLAIN),
            "415": _answer("The body is compressed.", _ERROR),
            "429": _answer("The key or the account sends too many.", _ERROR, headers=_LATER),
            "503": _answer("Unknown: send again, with an event_id for each item.", _ERROR),
        },
    }


def _postback(*, in_body: bool = False) -> dict[str, Any]:
    form = {"type": "object", "additionalProperties": {"type": "string"}}
    body = {
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {"schema": form},
                "application/json": {"schema": {"type": "object"}},
            }
        }
    }
    return {
        "summary": "Report a payment; the integration's template says which parameters mean what.",
        "parameters": [_KEY, *_query(*TEMPLATES["generic"].params)],
        **(body if in_body else {}),
        "responses": {
            "200": _answer(
                "On disk; the integration says with which body.", headers=_ACK, content=_PLAIN
            ),
            "400": _answer("A needed parameter is missing or makes no sense.", _ERROR),
            "403": _answer("The report is not signed, or the sender is not listed.", _ERROR),
            "404": _answer("No such key, or it is disabled.", _ERROR),
            "413": _answer("The body is too large.", _ERROR),
            "415": _answer("The body is compressed.", _ERROR),
            "429": _answer("The key or the account sends too many.", _ERROR, headers=_LATER),
            "503": _answer("Unknown: send again.", _ERROR),
        },
    }


def _stripe() -> dict[str, Any]:
    signature = {
        "name": "Stripe-Signature", "in": "header", "required": True, "schema": {"type": "string"},
    }  # fmt: skip
    return {
        "summary": "Take in a message of Stripe's, signed over its bytes.",
        "parameters": [signature],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
        "responses": {
            "200": _answer("On disk, or a message we do not act on."),
            "400": _answer("Not signed as it should be, or no event for us.", _ERROR),
            "404": _answer("Stripe's messages are not taken here.", content=_PLAIN),
            "413": _answer("The body is larger than 512 kB.", content=_PLAIN),
            "503": _answer("Unknown: Stripe sends it again.", _ERROR, headers=_LATER),
        },
    }


def _notification() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    sealed = {
        "type": "object",
        "required": ["notification", "iv"],
        "properties": {"notification": text, "iv": text},
    }
    return {
        "summary": "ClickBank's instant notifications, versions 6 to 8, as it encrypts them.",
        "parameters": [_KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": sealed}}},
        "responses": {
            "204": _answer("On disk; whether it can be decrypted is found out later."),
            "404": _answer("No notification, or no such key.", content=_PLAIN),
            "413": _answer("The body is larger than 256 kB.", content=_PLAIN),
            "429": _answer("The key or the account sends too many.", _ERROR, headers=_LATER),
            "503": _answer("Unknown: ClickBank sends it again.", _ERROR, headers=_LATER),
        },
    }


def _page(summary: str, answers: dict[str, str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {
            status: _answer(text, {"type": "object"}) for status, text in answers.items()
        },
    }
