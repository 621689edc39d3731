"""Visitors: many connections that ask all the time and write down which answers were acks.

An answer without a click id is no ack. A connection that breaks is opened again, and the request
that was in flight on it counts as unanswered: whether it is stored nobody was told.
"""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvloop

_CLICK_ID = re.compile(rb'(?:\r\nX-Click-Id: |"click_id":")([0-9a-f]{32})')
_RETRY_SECONDS = 0.05
_END = "HTTP/1.1\r\nHost: t\r\n\r\n"

# From a number, which the event must carry as `sub1`, to a whole request.
Ask = Callable[[int], bytes]


class Visitors:
    """A thread of visitors while the block lasts; at its end the last answers have been read."""

    def __init__(
        self,
        port: int,
        ask: Ask,
        *,
        connections: int = 32,
        pause_seconds: float = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self._host, self._port = host, port
        self.pause_seconds = pause_seconds  # between an answer and the connection's next request
        self._ask = ask
        self._connections = connections
        self._thread = threading.Thread(target=self._run, name="visitors")
        self.acked: dict[str, int] = {}  # click id → the request's number
        self.acked_twice: set[str] = set()
        self.unanswered: set[int] = set()  # numbers of requests whose answer never came
        self.refused: Counter[bytes] = Counter()  # answers without a click id, by status
        self.turned_away = 0  # connections that nobody took
        self.asked = 0
        self.in_flight = 0
        self.asking = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask nothing more, and read the last answers."""
        self.asking = False
        self._thread.join()

    def _run(self) -> None:
        uvloop.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(self._connections)))

    async def _one(self) -> None:
        loop = asyncio.get_running_loop()
        while self.asking:
            try:
                transport, visitor = await loop.create_connection(
                    lambda: _Visitor(self), self._host, self._port
                )
            except OSError:
                self.turned_away += 1
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await visitor.gone
            transport.close()

    def next(self) -> tuple[int, bytes] | None:
        """The next request; None when it is over."""
        if not self.asking:
            return None
        self.asked += 1
        self.in_flight += 1
        return self.asked, self._ask(self.asked)

    def lost(self, number: int) -> None:
        """No answer to this request will ever come."""
        self.in_flight -= 1
        self.unanswered.add(number)

    def answered(self, number: int, head: bytes, whole: bytes) -> None:
        """One whole answer."""
        self.in_flight -= 1
        found = _CLICK_ID.search(whole) if head[9:10] in b"23" else None
        if found is None:
            self.refused[head[9:12]] += 1
            return
        click_id = found[1].decode()
        if click_id in self.acked:
            self.acked_twice.add(click_id)
        self.acked[click_id] = number


class _Visitor(asyncio.Protocol):
    """One connection with at most one request in flight."""

    def __init__(self, all_of: Visitors) -> None:
        self._all = all_of
        self._number: int | None = None
        self._read = b""
        self._pause: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        following = self._all.next()
        if following is None:
            self._transport.close()
            return
        self._number, request = following
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end or len(rest) < _length(head) or self._number is None:
            return
        number, whole = self._number, self._read
        self._number, self._read = None, b""
        self._all.answered(number, head, whole)
        if b"\r\nConnection: close" in head:  # the last here: another connection is opened
            self._transport.close()
        elif self._all.pause_seconds and self._all.asking:
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(self._all.pause_seconds, self._next)
        else:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if self._pause is not None:
            self._pause.cancel()
        if self._number is not None:
            self._all.lost(self._number)
        if not self.gone.done():
            self.gone.set_result(None)


def _length(head: bytes) -> int:
    at = head.find(b"Content-Length: ")
    return int(head[at + 16 : head.find(b"\r", at) if head.find(b"\r", at) > 0 else None])


def clicks(tracking_id: str) -> Ask:
    """Every request follows the same link."""
    start = f"GET /r/{tracking_id}?sub1=".encode()
    return lambda number: b"%b%d %b" % (start, number, _END.encode())


def all_doors(tracking_id: str, key: dict[str, str]) -> Ask:
    """Mostly clicks; now and then a pixel, a beacon, and a sale that a server reports."""
    click = clicks(tracking_id)
    bearer = "".join(f"{name}: {value}\r\n" for name, value in key.items())
    sale = '{"type":"conversion","tracking_id":"%s","amount":"1.50","sub1":"%d"}'

    def ask(number: int) -> bytes:
        match number % 10:
            case 7:
                return (
                    f"GET /p/{tracking_id}.gif?sub1={number} HTTP/1.1\r\nHost: t\r\n\r\n".encode()
                )
            case 8:
                return post(f"/e/{tracking_id}", "", f'{{"sub1":"{number}"}}')
            case 9:
                return post("/v1/events", bearer, sale % (tracking_id, number))
        return click(number)

    return ask


def post(path: str, headers: str, body: str) -> bytes:
    """A whole request; `headers` end in CRLF each."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}"
    ).encode()
