"""The networks: tell every message until its door has promised that it is on disk."""

import asyncio
import threading
from collections import Counter, deque
from types import TracebackType
from typing import Self

import uvloop

from tests.fleet.money_roads import Roads, is_ack
from tests.fleet.money_world import Telling

_AGAIN_SECONDS = 0.05
_ANSWER_SECONDS = 15.0  # a network would give up sooner, and come again


class Sender:
    """A thread that tells all messages while the block lasts; `done` once all are acked."""

    def __init__(
        self,
        port: int,
        roads: Roads,
        tellings: list[Telling],
        *,
        connections: int = 32,
        pause_seconds: float = 0.0,  # of a connection behind each ack
    ) -> None:
        self._port, self._roads, self._connections = port, roads, connections
        self._pause_seconds = pause_seconds
        self._left = deque(tellings)
        self._thread = threading.Thread(target=lambda: uvloop.run(self._all()), name="networks")
        self.acked = 0
        self.in_flight = 0
        self.unanswered = 0  # told, and whether it is stored nobody said: they came again
        self.again: Counter[int] = Counter()  # by status: "not now"
        self.wrong: list[str] = []  # answers that no door may give
        self._stopping = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stopping = error is not None
        self._thread.join()

    @property
    def done(self) -> bool:
        """Whether nothing is left to be told."""
        return not self._thread.is_alive()

    async def _all(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(self._connections)))

    async def _one(self) -> None:
        while (self._left or self.in_flight) and not self._stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            try:
                while not self._stopping and await self._tell(reader, writer):
                    pass
            finally:
                writer.close()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One message and its answer; False when the connection is of no more use."""
        if not self._left:
            await asyncio.sleep(_AGAIN_SECONDS)  # somebody else's may come back
            return bool(self.in_flight)
        telling = self._left.popleft()
        self.in_flight += 1
        try:
            writer.write(self._roads.request(telling))
            async with asyncio.timeout(_ANSWER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
        except (OSError, EOFError, TimeoutError):
            self.unanswered += 1
            self._left.append(telling)
            return False
        finally:
            self.in_flight -= 1
        status = int(head[9:12])
        if is_ack(telling, status, head, body):
            self.acked += 1
            await asyncio.sleep(self._pause_seconds)
        elif status == 503 or telling.road == "pixel":
            self.again[status] += 1
            self._left.append(telling)
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            self.wrong.append(f"{telling}: {status} {body[:200]!r}")
        return b"\r\nConnection: close" not in head


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"\r\nContent-Length: ")
    return int(rest[: rest.find(b"\r")]) if found else 0
