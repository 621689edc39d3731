"""ClickBank's notifications for tests: the vectors, and others made from them."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from base.sealing import seal
from base.settings import Settings, settings
from db import integrations
from db.connection import Tx
from ops.bench import sales

_FILE = Path(__file__).parent / "data" / "ins_vectors.json"


@cache
def _vectors() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(_FILE.read_text())
    return found


def vectors() -> list[dict[str, Any]]:
    """Encrypted notifications with what a receiver should read from each."""
    return _vectors()["vectors"]


def vector(start: str) -> dict[str, Any]:
    """The one whose id starts so."""
    return next(one for one in vectors() if one["id"].startswith(start))


def forms() -> list[dict[str, Any]]:
    """Posts of versions 1 to 5."""
    return _vectors()["legacy_form_vectors"]


def body(one: dict[str, Any]) -> bytes:
    """A vector's request body."""
    return orjson.dumps(one["request_body"])


def made(secret: str, start: str = "02", **changes: Any) -> bytes:
    """A vector's notification with other fields, encrypted anew; None leaves a field out."""
    told = json.loads(vector(start)["plaintext"]) | changes
    text = json.dumps({name: value for name, value in told.items() if value is not None})
    return encrypted(text.encode(), secret)


def encrypted(text: bytes, secret: str) -> bytes:
    """A request's body with this text."""
    return sales.encrypted(text, secret, os.urandom(16)).encode()


def connect(
    tx: Tx, user_id: UUID | str, secret: str, chosen: dict[str, Any] | None = None,
    own: Settings | None = None, **more: str,
) -> tuple[str, str]:  # fmt: skip
    """A ClickBank integration of that user: its key and its id; sealed by these settings."""
    key = integrations.mint()
    sealed = seal(orjson.dumps({"key": key, "secret": secret, **more}), own or settings())
    made = integrations.add(tx, user_id, "clickbank", "test", key, sealed, chosen or {}, None)
    return key, str(made)


def plain(start: str) -> dict[str, Any]:
    """What a vector's text says."""
    found: dict[str, Any] = json.loads(vector(start)["plaintext"])
    return found
