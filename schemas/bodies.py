"""Bytes of a request body into JSON values, without letting one bad value spoil the others."""

import codecs
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from base.errors import Refused

_NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_MAX_INTEGER_DIGITS = 400  # far past any limit of ours, far below Python's own of 4,300


@dataclass(frozen=True, slots=True)
class Refusal:
    """One item that breaks a rule; the reason is one sentence for the sender's developer."""

    reason: str


def items(body: bytes, content_type: str | None, limit: int) -> list[Any]:
    """The values of one object, an array, or newline-delimited JSON; a broken line is a `Refusal`.

    Newline-delimited by content type, or when the body is several lines that start with objects.
    Raises `Refused` when the body is no JSON, no UTF-8, empty, or has more than `limit` items.
    """
    _refuse_encodings(body)
    kind = (content_type or "").partition(";")[0].strip().lower()
    found = (_lines if kind in _NDJSON_TYPES else _document)(body, limit)
    if not found:
        raise Refused("The body holds no item.")
    if len(found) > limit:
        raise Refused(f"The body holds more than {limit:,} items; send them in several requests.")
    return found


def value(body: bytes) -> Any:
    """One JSON value; raises `Refused` with the place of the mistake.

    Lone surrogates, `NaN` and numbers beyond any float come through (as such, as `nan`, as
    `inf`, cut), for the shapes to refuse where they stand.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _forgiving(body)


def _refuse_encodings(body: bytes) -> None:
    if body.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        b"\0" in body[:4]
    ):
        raise Refused("The body must be UTF-8 text without a byte order mark.")
    if not body.strip():
        raise Refused("The body is empty: send a JSON object, an array, or one object per line.")


def _document(body: bytes, limit: int) -> list[Any]:
    try:
        parsed = value(body)
    except Refused:
        first, newline, _ = body.strip().partition(b"\n")
        if newline and first.startswith(b"{") and isinstance(_or_none(first), dict):
            return _lines(body, limit)
        raise
    if isinstance(parsed, list):
        return parsed
    if isinstance(parsed, dict):
        return [parsed]
    raise Refused("The body must be a JSON object, an array of them, or one object per line.")


def _lines(body: bytes, limit: int) -> list[Any]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    return [_or_refusal(line) for line in lines[: limit + 1]]


def _or_refusal(line: bytes) -> Any:
    try:
        return value(line)
    except Refused as refusal:
        return Refusal(str(refusal).replace("The body", "This line"))


def _or_none(line: bytes) -> Any:
    try:
        return value(line)
    except Refused:
        return None


def _forgiving(body: bytes) -> Any:
    """The slow way, only for what orjson refuses: some of that is one item's fault alone."""
    try:
        return _slow_loads(body.decode())
    except UnicodeDecodeError:
        raise Refused("The body is not valid UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Refused(
            f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except RecursionError:
        raise Refused("The body is nested too deeply.") from None


def _integer(digits: str) -> int:
    return int(digits[:_MAX_INTEGER_DIGITS])


_slow_loads: Callable[[str], Any] = json.JSONDecoder(
    parse_int=_integer, parse_constant=lambda _: math.nan
).decode
