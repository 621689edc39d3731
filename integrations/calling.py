"""Calls over HTTP to whatever server a user has named: bounded in time, size and reach.

Redirects are an answer like another and are never followed; no proxy of the environment is used,
no cookie kept, and no credential of ours sent.
"""

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Literal, NamedTuple

import httpcore
import httpx

from base.clock import steady
from integrations.guard import Blocked, Guard

# `unknown`: it may have been received, or not.
Outcome = Literal["accepted", "refused", "deferred", "unreachable", "unknown"]

PORTS = frozenset({80, 443, 8080, 8443})
MOST_BYTES = 64 * 1024  # of an answer, decoded
MOST_HOST = 253
MOST_URL = 8_192
MOST_HEADERS = 100
MOST_HEADER_BYTES = 16 * 1024
CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 1.0  # shorter than any server's, that none ends what we are about to use
_TRANSIENT = frozenset({408, 425, 429})
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[a-z0-9_][a-z0-9._-]*|[0-9a-f:]*:[0-9a-f:.]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# They belong to the connection, or say where a message ends, or whom it is for.
_NOT_THEIRS = frozenset(
    {
        "host", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length",
        "expect", "accept-encoding", "http2-settings",
    }
)  # fmt: skip


class Unsendable(ValueError):
    """A request that breaks a rule; the text says which."""


class Answer(NamedTuple):
    """What became of a call; without a `status` nobody answered."""

    outcome: Outcome
    status: int | None
    said: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cut: bool = False  # there was more
    milliseconds: int = 0


class Request(NamedTuple):
    """A request that keeps to the rules."""

    method: str
    url: httpx.URL
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def server(self) -> str:
        """Which connections it may share."""
        return f"{self.url.scheme}://{self.url.host}:{self.url.port or ''}"


def request(
    method: str, url: str, headers: Mapping[str, str], body: bytes, ports: frozenset[int] = PORTS
) -> Request:
    """A request as it may be sent; raises `Unsendable`."""
    if method not in _METHODS:
        raise Unsendable("its method is none that is sent")
    return Request(method, _url(url, ports), _headers(headers), body)


def _url(text: str, ports: frozenset[int]) -> httpx.URL:
    if len(text) > MOST_URL:
        raise Unsendable(f"its url has more than {MOST_URL} characters")
    try:
        url = httpx.URL(text)
        host, port = url.raw_host.decode("ascii"), url.port
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        raise Unsendable("its url is no web address") from None
    if url.scheme not in ("http", "https"):
        raise Unsendable("its url begins with neither http:// nor https://")
    if url.userinfo:
        raise Unsendable("its url holds a user or a password: put them into a header")
    if not _HOST.fullmatch(host) or len(host) > MOST_HOST:
        raise Unsendable("its url names no host")
    if port is None:
        port = 443 if url.scheme == "https" else 80
    if port not in ports:
        raise Unsendable(f"port {port} is none that may be called (HOPFLEET_CALL_PORTS)")
    return url


def _headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    if len(headers) > MOST_HEADERS:
        raise Unsendable(f"it has more than {MOST_HEADERS} headers")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise Unsendable("one of its headers has a name that is none")
        if name.lower() in _NOT_THEIRS:
            raise Unsendable(f"the header {name} is not yours to set")
        if _CONTROL.search(value):
            raise Unsendable(f"the header {name} holds a line's end or another control character")
    if sum(len(name) + len(value) for name, value in headers.items()) > MOST_HEADER_BYTES:
        raise Unsendable(f"its headers have more than {MOST_HEADER_BYTES} characters")
    return list(headers.items())


@cache
def system_tls() -> ssl.SSLContext:
    """Certificates as everybody checks them, whatever the environment says; slow to make."""
    return httpx.create_ssl_context(trust_env=False)


class Caller:
    """Connections to one server, kept for a moment; used by the tasks of one event loop."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or system_tls(),
            max_connections=None,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=guard,
        )
        self._fresh = httpcore.AsyncConnectionPool(
            ssl_context=tls or system_tls(),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=guard,
        )

    async def send(self, what: Request, seconds: float, *, fresh: bool = False) -> Answer:
        """Send it and read the answer, all within `seconds`; raises only for faults of ours.

        A `fresh` one gets a connection of its own: the server cannot have been about to end it.
        """
        began, sent = steady(), _Sent()
        try:
            async with asyncio.timeout(seconds):
                answer = await self._exchange(what, seconds, sent, fresh=fresh)
        except Blocked as error:
            answer = Answer("refused", None, str(error))
        except TimeoutError:
            said = f"there was no whole answer within {seconds:g} s"
            answer = Answer("unknown" if sent.any else "unreachable", sent.status, said)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            word: Outcome = "unknown" if sent.any else "unreachable"
            answer = Answer(word, sent.status, _reason(error))
        return answer._replace(milliseconds=int((steady() - began) * 1000))

    async def _exchange(
        self, what: Request, seconds: float, sent: "_Sent", *, fresh: bool
    ) -> Answer:
        raw = what.url
        host = raw.netloc
        headers = [(b"Host", host), (b"Accept-Encoding", b"identity")]
        headers += [(name.encode(), value.encode()) for name, value in what.headers]
        if what.body or what.method in ("POST", "PUT", "PATCH"):
            headers.append((b"Content-Length", b"%d" % len(what.body)))
        url = httpcore.URL(
            scheme=raw.raw_scheme, host=raw.raw_host, port=raw.port, target=raw.raw_path
        )
        timeout = {"connect": min(CONNECT_SECONDS, seconds)}
        asked = httpcore.Request(
            what.method, url, headers=headers, content=what.body,
            extensions={"timeout": timeout, "trace": sent.trace},
        )  # fmt: skip
        response = await (self._fresh if fresh else self._pool).handle_async_request(asked)
        sent.status = response.status
        try:
            body, cut = await _body(response)
        finally:
            await response.aclose()
        found = {name.decode("latin-1").lower(): value.decode("latin-1")
                 for name, value in response.headers}  # fmt: skip
        return Answer(_outcome(response.status), response.status, "", found, body, cut)

    async def close(self) -> None:
        """End all connections."""
        with suppress(RuntimeError):
            await self._pool.aclose()
            await self._fresh.aclose()


class _Sent:
    """How far a call got."""

    def __init__(self) -> None:
        self.any = False
        self.status: int | None = None

    async def trace(self, name: str, _: Any) -> None:
        """Called by httpcore at each of its steps."""
        if name == "http11.send_request_headers.started":
            self.any = True


async def _body(response: httpcore.Response) -> tuple[bytes, bool]:
    """The answer's first bytes, decoded, and whether there were more."""
    encoding = next(
        (value.lower() for name, value in response.headers if name.lower() == b"content-encoding"),
        b"identity",
    )
    unpacker = zlib.decompressobj(47) if encoding in (b"gzip", b"x-gzip", b"deflate") else None
    found = bytearray()
    async for chunk in response.aiter_stream():
        if unpacker is None:
            found += chunk
        else:
            try:
                # Never more than there is room for, whatever a few bytes claim to be.
                found += unpacker.decompress(chunk, MOST_BYTES + 1 - len(found))
            except zlib.error:
                return bytes(found), True
        if len(found) > MOST_BYTES:
            return bytes(found[:MOST_BYTES]), True
    return bytes(found), False


def _outcome(status: int) -> Outcome:
    """What a status says; a redirect is no success, and nobody follows it."""
    if 200 <= status < 300:
        return "accepted"
    return "deferred" if status >= 500 or status in _TRANSIENT else "refused"


def _reason(error: Exception) -> str:
    """Why it failed, in few words; our libraries' own name no secret, but are often empty."""
    if isinstance(error.__cause__ or error.__context__, ssl.SSLError):
        return f"TLS failed: {error}"[:300]
    return (str(error) or type(error).__name__)[:300]
