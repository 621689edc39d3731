"""One run's shared state and its connections: at most one request in flight on each."""

import asyncio
from array import array
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from base.clock import steady

_STEP_MS = 0.05  # width of a latency bucket
_BUCKETS = 200_000  # up to 10 s; slower ones share the last
_SCALE = 1000 / _STEP_MS
CLICK_ID_BYTES = 32


class Load:
    """The state all connections of one run share."""

    def __init__(self, requests: Sequence[bytes], rate: float | None, enough: int) -> None:
        self.next_request = cycle(requests).__next__
        self.rate = rate
        self.enough = enough
        self.stop = asyncio.Event()
        self.asking = True
        self.statuses: dict[bytes, int] = defaultdict(int)
        self.buckets = array("Q", bytes(8 * (_BUCKETS + 1)))
        self.slowest = 0.0
        self.ids = bytearray()
        self.answered = 0
        self.errors = 0
        self.each_second: list[int] = []
        self.in_flight = 0
        self.idle: deque[Connection] = deque()  # open loop only
        self.due: deque[float] = deque()
        self.all_answered = asyncio.Event()

    def finish_asking(self) -> None:
        """No new requests; `all_answered` is set once the last one in flight is answered."""
        self.asking = False
        if not self.in_flight:
            self.all_answered.set()

    def percentile(self, share: float) -> float:
        """The latency in ms that `share` of the answers did not exceed; 0 without answers."""
        wanted, seen = share * self.answered, 0
        for bucket, count in enumerate(self.buckets):
            seen += count
            if count and seen >= wanted:
                return round(min((bucket + 1) * _STEP_MS, self.slowest * 1000), 3)
        return 0.0


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    __slots__ = ("gone", "load", "rest", "since", "transport", "waiting", "write")

    def __init__(self, load: Load) -> None:
        self.load = load
        self.rest = b""
        self.since = 0.0
        self.waiting = False
        self.gone = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.write = transport.write

    def ask(self, due: float) -> None:
        """Send the next request; its latency counts from `due`."""
        self.waiting = True
        self.load.in_flight += 1
        self.since = due
        self.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _body_length(data, end):
            self.rest = data
            return
        self.rest = b""
        now = steady()
        load = self.load
        load.statuses[data[9:12]] += 1
        load.answered += 1
        if load.answered == load.enough:
            load.stop.set()
        at = data.find(b"\r\nX-Click-Id: ", 0, end)
        if at < 0:
            at = data.find(b"\r\nx-click-id: ", 0, end)
        if at > 0:
            load.ids += data[at + 14 : at + 14 + CLICK_ID_BYTES]
        taken = now - self.since
        load.buckets[min(int(taken * _SCALE), _BUCKETS)] += 1
        if taken > load.slowest:
            load.slowest = taken
        if load.asking and load.rate is None:
            self.since = now
            self.write(load.next_request())
        else:
            self._turn()

    def _turn(self) -> None:
        """Answered and not asking again by itself: take what is due, or wait, or end."""
        load = self.load
        self.waiting = False
        load.in_flight -= 1
        if load.asking and load.due:
            self.ask(load.due.popleft())
        elif load.asking:
            load.idle.append(self)
        elif not load.in_flight:
            load.all_answered.set()

    def connection_lost(self, error: Exception | None) -> None:
        load = self.load
        self.rest = b""
        self.gone.set()
        if self.waiting:
            load.errors += 1
            load.in_flight -= 1
            self.waiting = False
        if not load.asking and not load.in_flight:
            load.all_answered.set()


def _body_length(data: bytes, end: int) -> int:
    """Content-Length in the head that ends at `end`, in whatever case; 0 without one."""
    at = data.find(b"ength: ", 0, end)
    if at < 0:
        return 0
    return int(data[at + 7 : data.find(b"\r\n", at)])
