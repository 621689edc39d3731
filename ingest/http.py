"""HTTP/1.1 on raw sockets: httptools parses, a plain function answers, nothing in between.

A request costs about a third of what it costs in a general server, because no task, scope or
message is made for it: the handler is called when the request is complete, and answers at once
or later. What a general server would guard is guarded here: sizes, deadlines, pipelining,
slow readers, the number of connections.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from base.clock import steady
from ingest import listening
from ingest.responses import Date, text
from ingest.targets import encoded_lines

MAX_HEAD_BYTES = 16 * 1024
MAX_TARGET_BYTES = 8 * 1024
MAX_HEADERS = 100
MAX_BODY_BYTES = 512 * 1024  # of what servers post
MAX_PAGE_BODY_BYTES = 128 * 1024  # elsewhere; above the doors' own limits, whose words are better
MAX_NOTIFICATION_BYTES = 256 * 1024  # of ClickBank; real ones have three kilobytes
MAX_BUFFERED_BYTES = 64 * 1024 * 1024  # bodies of all connections together, not yet answered
LARGE_BODIES = (b"/v1/events", b"/webhooks/stripe")
NOTIFICATIONS = b"/webhooks/clickbank/"
MAX_PIPELINED = 16  # or one with a body: then the socket is not read until one is answered
REQUEST_SECONDS = 10  # from a request's first byte to its last: ends dripping clients
IDLE_SECONDS = 60  # a kept-alive connection without a request
_VERSIONS = ("1.0", "1.1")
WRITE_SECONDS = 15  # a client that does not read its answer
_STATUS = len(b"HTTP/1.1 ")  # where an answer's status begins
LINGER_SECONDS = 1.0  # of a stop, in which a request that is on its way here still arrives


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _most_bytes(target: bytes) -> int:
    """How large a body of a request may be; known before any key is looked at."""
    if target.startswith(NOTIFICATIONS):
        return MAX_NOTIFICATION_BYTES
    is_large = target.partition(b"?")[0].endswith(LARGE_BODIES)
    return MAX_BODY_BYTES if is_large else MAX_PAGE_BODY_BYTES


def _with_connection(whole: bytes, what: bytes) -> bytes:
    """An answer that says what becomes of the connection."""
    return whole.replace(b"\r\n", b"\r\nConnection: %b\r\n" % what, 1)


class Request:
    """One complete request; `answer` may be called once, now or later, from the loop's thread."""

    __slots__ = (
        "body",
        "connection",
        "door",
        "headers",
        "keep_alive",
        "method",
        "old",
        "peer",
        "target",
    )

    def __init__(
        self,
        connection: "Connection",
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        keep_alive: bool,
        old: bool = False,
    ) -> None:
        self.connection = connection
        self.method = method
        self.target = target
        self.headers = headers  # names in lower case; repeated ones joined by ", "
        self.body = body
        self.keep_alive = keep_alive
        self.old = old  # HTTP/1.0, which takes silence about the connection for its end
        self.peer: str = connection.peer
        self.door = b""  # the handler says which it was

    def answer(self, whole: bytes) -> None:
        """Send the answer; quietly does nothing when the client has gone."""
        self.connection.finish(self, whole)


# Returns the whole answer, or None when `request.answer` will be called later.
Handler = Callable[[Request], bytes | None]


class Connection(asyncio.Protocol):
    """One client: bytes in, requests out in order, answers back in the same order."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_buffered",
        "_busy",
        "_closing",
        "_field_bytes",
        "_half_closed",
        "_head_bytes",
        "_headers",
        "_headers_done",
        "_large",
        "_line_open",
        "_parser",
        "_paused_reading",
        "_refusal",
        "_refused",
        "_repeated",
        "_target",
        "_transport",
        "_waiting",
        "beat",
        "in_request",
        "peer",
        "server",
        "write_stuck",
    )  # fmt: skip

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.peer = ""
        self.beat = server.beat
        self.in_request = False
        self.write_stuck = False
        self._parser = HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._closing = False
        self._refused = False
        self._refusal = b""  # said once all that is owed before it has been answered
        self._half_closed = False
        self._large = False
        self._line_open = False  # the last bytes ended within a request's first line
        self._buffered = 0  # bytes of bodies: of this request and of those not yet answered
        self._paused_reading = False
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0  # as they arrive, for heads that never end
        self._field_bytes = 0  # as they are read, for heads that come at once
        self._repeated = 0  # headers whose name was there before
        self._headers_done = False

    # --- the socket

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else "127.0.0.1"
        connections = self.server.connections
        connections.add(self)
        if len(connections) > self.server.max_connections:
            self._refuse(503, "Too many connections: try again shortly.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._waiting.clear()
        self.server.connections.discard(self)
        self._let_go(self._buffered)

    def data_received(self, data: bytes) -> None:
        may_begin = not self.in_request or self._line_open
        if may_begin and not data.isascii():
            data = encoded_lines(data)
        rest: bytes | memoryview = data
        while rest and not self._refused:
            rest = self._feed(rest)
        if self.in_request and not self._headers_done:
            _, blank, tail = data.rpartition(b"\r\n\r\n")
            self._line_open = b"\n" not in tail and (may_begin or blank != b"")

    def _feed(self, data: bytes | memoryview) -> bytes | memoryview:
        """Parse; returns what stands behind a request that asked for another protocol."""
        if not self.in_request:
            self.in_request = True
            self.beat = self.server.beat
        if not self._headers_done:
            self._head_bytes += len(data)
        # What comes in small pieces cannot hold a large head: then none is counted.
        self._large = max(len(data), self._head_bytes) > MAX_HEAD_BYTES
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            # We speak HTTP/1.1 only, which the sender must accept; what follows is a new request.
            self._parser = HttpRequestParser(self)
            return memoryview(data)[upgrade.args[0] :]
        except HttpParserError:
            self._refuse(400, "This is not a well-formed HTTP/1.1 request.")
            return b""
        if not self._headers_done and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")
        elif self._target and not self.in_request:
            self.in_request = True  # the beginning of one came with the end of another
            self.beat = self.server.beat
        return b""

    def eof_received(self) -> bool:
        """The client says no more, but may still read: what is owed is answered first."""
        self._half_closed = True
        return self._busy

    def pause_writing(self) -> None:
        self.write_stuck = True
        self.beat = self.server.beat

    def resume_writing(self) -> None:
        self.write_stuck = False

    # --- the parser's callbacks

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > MAX_TARGET_BYTES:
            self._refuse(414, f"The address is longer than {MAX_TARGET_BYTES} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        key = name.lower()
        if self._large and not self._has_room(name, value):
            return
        if key in headers:
            self._repeated += 1
            headers[key] += b", " + value
        else:
            headers[key] = value

    def _has_room(self, name: bytes, value: bytes) -> bool:
        """Count a head that may be too large, while it is read."""
        self._field_bytes += len(name) + len(value)
        if self._field_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")
        return self._few_headers()

    def _few_headers(self) -> bool:
        if len(self._headers) + self._repeated > MAX_HEADERS:
            self._refuse(431, f"More than {MAX_HEADERS} headers.")
        return not self._refused

    def on_headers_complete(self) -> None:
        self._headers_done = True
        headers = self._headers
        if not self._few_headers():
            return
        if b"content-length" in headers and self._is_too_large(int(headers[b"content-length"])):
            return
        if b"upgrade" in headers and _has_body(headers):
            # httptools leaves the body of such a request to the new protocol.
            self._refuse(400, "Send a request that has a body without Upgrade.")
        elif b"expect" in headers and not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        if self._refused:
            return
        self._body_bytes += len(part)
        if self._is_too_large(self._body_bytes):
            return
        if self.server.buffered + len(part) > MAX_BUFFERED_BYTES:
            self._refuse(503, "Too much is being sent at once: try again shortly.")
            return
        self.server.buffered += len(part)
        self._buffered += len(part)
        self._body.append(part)

    def _is_too_large(self, size: int) -> bool:
        most = _most_bytes(self._target)
        if size > most:
            self._refuse(413, f"The body is larger than {most} bytes.")
        return size > most

    def _let_go(self, size: int) -> None:
        """Bodies of so many bytes are answered, or nobody waits for an answer any more."""
        self._buffered -= size
        self.server.buffered -= size

    def on_message_complete(self) -> None:
        if self._refused:
            return
        parser = self._parser
        keep_alive = parser.should_keep_alive()
        if not keep_alive and parser.get_http_version() not in _VERSIONS:
            self._refuse(400, "This is not a well-formed HTTP/1.1 request.")
            return
        body = self._body
        request = Request(
            self,
            parser.get_method(),
            self._target,
            self._headers,
            b"".join(body) if body else b"",
            keep_alive,
            b"connection" in self._headers and parser.get_http_version() == "1.0",
        )
        self._begin()
        self.in_request = False
        if self._busy:
            self._waiting.append(request)
            full = request.body or len(self._waiting) >= MAX_PIPELINED
            if full and not self._paused_reading:
                self._paused_reading = True
                self._transport.pause_reading()
        else:
            self._handle(request)

    # --- one request at a time

    def _handle(self, request: Request) -> None:
        self._busy = True
        try:
            whole = self.server.handler(request)
        except Exception:
            self.server.on_bug()
            whole = text(500, "Something broke on our side; it has been logged.")
        if whole is not None:
            self.finish(request, whole)

    def finish(self, request: Request, whole: bytes) -> None:
        """Write one answer and turn to the next request of this connection."""
        if self._closing:
            return
        self.server.answered[request.door, whole[_STATUS]] += 1
        if request.method == b"HEAD":
            whole = whole[: whole.index(b"\r\n\r\n") + 4]
        # A door that stops still answers what came in before it could say so.
        if not request.keep_alive or (self.server.stopping and not self._waiting):
            self._transport.write(_with_connection(whole, b"close"))
            self._close()
            return
        self._transport.write(_with_connection(whole, b"keep-alive") if request.old else whole)
        self._busy = False
        self.beat = self.server.beat
        if request.body:
            self._let_go(len(request.body))
        if self._waiting:
            self.server.loop.call_soon(self._next)
        elif self._refusal:
            self._transport.write(self._refusal)
            self._close()
        elif self._half_closed:
            self._close()
        elif self._paused_reading:
            self._paused_reading = False
            self._transport.resume_reading()

    def _next(self) -> None:
        # Through the loop, not by a call: thousands of pipelined requests are no deep stack.
        if self._waiting and not self._busy and not self._closing:
            self._handle(self._waiting.popleft())

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer a request that cannot be read to its end, after those before it; hang up."""
        if self._refused or self._closing:
            return
        self._refused = True
        refusal = text(status, sentence, b"Connection: close\r\n")
        self.server.answered[b"", refusal[_STATUS]] += 1
        if self._busy:
            self._refusal = refusal
        else:
            self._transport.write(refusal)
            self._close()

    def _close(self) -> None:
        self._closing = True
        self._waiting.clear()
        self._transport.close()

    def close_if_due(self, beat: int) -> None:
        """Hang up when a deadline has passed; called for each connection once a second."""
        age = beat - self.beat
        if self.write_stuck:
            if age > WRITE_SECONDS:
                self._transport.abort()
        elif self._closing:
            if age > IDLE_SECONDS:
                self._transport.abort()
        elif self.in_request and not self._busy:
            if age > REQUEST_SECONDS:
                self._refuse(408, f"The request did not end within {REQUEST_SECONDS} seconds.")
        elif not self._busy and age > IDLE_SECONDS:
            self._close()

    def close_if_idle(self) -> None:
        """Hang up at once unless a request is here, or a part of one."""
        if not self._busy and not self.in_request:
            self._close()


class Server:
    """A listening socket and its connections; made by `serve`."""

    def __init__(self, handler: Handler, max_connections: int, on_bug: Callable[[], None]) -> None:
        self.handler = handler
        self.max_connections = max_connections
        self.on_bug = on_bug
        self.connections: set[Connection] = set()
        self.buffered = 0  # bytes of bodies that came in and are not answered yet
        self.answered: Counter[tuple[bytes, int]] = (
            Counter()
        )  # by door and the status's first digit
        self.moved = steady()  # when the loop last came by
        self.beat = 0  # seconds since start; a coarse clock that costs a request nothing
        self.stopping = False
        self.loop = asyncio.get_running_loop()
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def listen(self, host: str, port: int) -> None:
        """Open the socket; several processes may share one port. Raises OSError when taken."""
        self._listener = await listening.listen(lambda: Connection(self), host, port)
        self.port = self._listener.sockets[0].getsockname()[1]
        self._tick()

    def _tick(self) -> None:
        Date.renew()
        self.beat += 1
        self.moved = steady()
        for connection in list(self.connections):
            connection.close_if_due(self.beat)
        if not self.stopping or self.connections:
            self.loop.call_later(1, self._tick)

    async def stop(self, grace_seconds: float = 3.0) -> None:
        """Accept no more, answer what is owed, hang up.

        Nobody who was let in is left without an answer: who is silent may have a request on its
        way and gets a moment; the next answer on each connection says that it is the last.
        """
        self.stopping = True
        end = self.loop.time() + grace_seconds
        lingering = self.loop.time() + min(LINGER_SECONDS, grace_seconds)
        if self._listener is not None:
            await listening.leave(self._listener)
        await self._until_gone(lingering)
        for connection in list(self.connections):
            connection.close_if_idle()
        await self._until_gone(end)

    async def _until_gone(self, end: float) -> None:
        """Wait until nobody is connected any more, at most until `end` of the loop's clock."""
        while self.connections and self.loop.time() < end:
            await asyncio.sleep(0.02)


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    max_connections: int = 8192,
    on_bug: Callable[[], None] = lambda: None,
) -> Server:
    """Serve `handler` on `host:port` in the running loop (0 picks a free port)."""
    server = Server(handler, max_connections, on_bug)
    await server.listen(host, port)
    return server
