"""The doors of buyers, described for machines: a bonus's link, and the claim of one."""

from typing import Any

from schemas.claims import MOST_RECEIPT_CHARACTERS
from schemas.fields import DELIVERABLE

Described = dict[str, Any]

_PAGE = {"text/html": {"schema": {"type": "string"}}}
_ERROR = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {"error": {"type": "string"}},
            "required": ["error"],
        }
    }
}
_CLAIM = {
    "type": "object",
    "required": ["receipt", "email"],
    "properties": {
        "receipt": {
            "type": "string",
            "pattern": f"^[!-~](?:[ -~]{{0,{MOST_RECEIPT_CHARACTERS - 2}}}[!-~])?$",
        },
        "email": {
            "type": "string", "pattern": DELIVERABLE, "maxLength": 254,
            "not": {"pattern": "[.][.]"},
        },
    },
}  # fmt: skip
_RECEIVED = {
    "type": "object",
    "required": ["status", "message", "download_url"],
    "properties": {
        "status": {"const": "received"},
        "message": {"type": "string"},
        "download_url": {"type": ["string", "null"]},
    },
}


def paths(tracking: Described) -> Described:
    """Both addresses; `tracking` describes the tracking id's parameter."""
    link: Described = {
        "summary": "A bonus's file, by its signed link.",
        "parameters": [
            {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "responses": {
            "200": {"description": "A claim's downloads, or nothing so far.", "content": _PAGE},
            "302": {"description": "The file; the download is counted."},
            "404": {"description": "No link of ours.", "content": _PAGE},
            "410": {"description": "Expired, or the order was refunded.", "content": _PAGE},
            "503": {"description": "Cannot be looked up right now.", "content": _PAGE},
        },
    }
    return {
        "/b/{token}": {"get": link, "head": {**link, "summary": "The same, not counted."}},
        "/b/claim/{tracking_id}": {"get": _form(tracking), "post": _claim(tracking)},
    }


def _form(tracking: Described) -> Described:
    known = {
        "name": "receipt", "in": "query", "schema": {"type": "string"},
        "description": "Filled in already; so is `email`.",
    }  # fmt: skip
    return {
        "summary": "The form with which a buyer asks for his bonus.",
        "parameters": [tracking, known, {**known, "name": "email"}],
        "responses": {
            "200": {"description": "A page.", "content": _PAGE},
            "404": {"description": "No such tracking id.", "content": _PAGE},
            "503": {"description": "Cannot be looked up right now.", "content": _PAGE},
        },
    }


def _claim(tracking: Described) -> Described:
    bodies = ("application/json", "application/x-www-form-urlencoded")
    both = {**_PAGE, **_ERROR}
    return {
        "summary": "Say where a receipt's bonus is to go, from our page or the seller's own.",
        "parameters": [tracking],
        "requestBody": {"required": True, "content": {key: {"schema": _CLAIM} for key in bodies}},
        "responses": {
            "200": {
                "description": "Kept; the same whether there is such a sale or not.",
                "content": {**_PAGE, "application/json": {"schema": _RECEIVED}},
            },
            "400": {"description": "No receipt, or no e-mail address.", "content": both},
            "404": {"description": "No such tracking id.", "content": both},
            "413": {"description": "The body is too large.", "content": _ERROR},
            "415": {"description": "The body is compressed, or multipart.", "content": _ERROR},
            "503": {"description": "Not kept: send it again.", "content": both},
        },
    }
