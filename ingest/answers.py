"""The answers of the doors, as bytes."""

import math
from typing import Any

import orjson

from ingest.http import Request
from ingest.responses import response, text

_GIF = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
_GIF_HEADERS = b"Content-Type: image/gif\r\nCache-Control: no-store\r\n"
_ACK = b"X-Click-Id: "
_JSON = b"Content-Type: application/json\r\n"


def without_ack(whole: bytes) -> bytes:
    """The same answer without the header that promises the event is on disk."""
    start = whole.find(_ACK, 0, whole.find(b"\r\n\r\n"))
    return whole if start < 0 else whole[:start] + whole[whole.index(b"\r\n", start) + 2 :]


def redirect(location: bytes, headers: bytes, click_id: str | None) -> bytes:
    """302; with a click id it promises that the click is on disk."""
    if click_id is None:
        return response(302, b"Location: %b\r\n%b" % (location, headers))
    return response(
        302, b"Location: %b\r\nX-Click-Id: %b\r\n%b" % (location, click_id.encode(), headers)
    )


def gif(click_id: str | None) -> bytes:
    """The one-pixel transparent GIF; with a click id it promises that the event is on disk."""
    if click_id is None:
        return response(200, _GIF_HEADERS, _GIF)
    return response(200, b"X-Click-Id: %b\r\n%b" % (click_id.encode(), _GIF_HEADERS), _GIF)


def cors(request: Request) -> bytes:
    """Headers that let the page's own script read the answer; never a cookie."""
    origin = request.headers.get(b"origin")
    if not origin or len(origin) > 300 or not origin.isascii():
        return b"Cache-Control: no-store\r\n"
    # Credentials are allowed because sendBeacon always asks for them; there are none to send.
    return (
        b"Access-Control-Allow-Origin: %b\r\nAccess-Control-Allow-Credentials: true\r\n"
        b"Access-Control-Expose-Headers: X-Click-Id\r\nVary: Origin\r\nCache-Control: no-store\r\n"
        % origin
    )


def preflight(request: Request) -> bytes:
    """The answer to a browser's question whether it may post JSON."""
    return response(
        204,
        cors(request)
        + b"Access-Control-Allow-Methods: POST\r\nAccess-Control-Allow-Headers: Content-Type\r\n"
        b"Access-Control-Max-Age: 86400\r\n",
    )


def json(status: int, value: Any, headers: bytes = b"") -> bytes:
    """Any value as JSON."""
    return response(status, headers + _JSON, orjson.dumps(value))


def error(status: int, sentence: str, headers: bytes = b"") -> bytes:
    """`{"error": sentence}` for developers."""
    return json(status, {"error": sentence}, headers)


def not_found() -> bytes:
    """404 for people; says the same whether the link never was or is no more."""
    return text(404, "There is nothing at this address.", b"Cache-Control: no-store\r\n")


def unavailable(sentence: str) -> bytes:
    """503 with a hint when to come back."""
    return text(503, sentence, b"Retry-After: 1\r\nCache-Control: no-store\r\n")


def too_many(sentence: str, wait_seconds: float, headers: bytes = b"") -> bytes:
    """429 for developers, with when to come back."""
    return error(
        429, sentence, b"Retry-After: %d\r\n%b" % (max(1, math.ceil(wait_seconds)), headers)
    )


def try_again(sentence: str) -> bytes:
    """503 for developers, with a hint when to come back."""
    return error(503, sentence, b"Retry-After: 1\r\n")
