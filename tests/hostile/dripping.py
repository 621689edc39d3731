"""Attackers who take their time: `python -m tests.hostile.dripping PORT COUNT`, until killed.

A fourth each sends a head or a body byte by byte, asks without reading, or only connects; who is
cut comes again. Prints once a second, as JSON, how many are open and how often each was cut.
"""

import asyncio
import json
import resource
import socket
import sys
from collections import Counter
from typing import Any

DRIP_SECONDS = 1.0
ASKED_AT_ONCE = 16
_GET = b"GET /openapi.json HTTP/1.1\r\nHost: t\r\n"
FIRST_WORDS = {
    "head": _GET + b"X: ",
    "body": b"POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n",
    "reader": (_GET + b"\r\n") * ASKED_AT_ONCE,
    "silent": b"",
}


class Dripper(asyncio.Protocol):
    """One slow client; `gone` is done when the door has hung up."""

    def __init__(self, sort: str, cut: "Counter[str]") -> None:
        self.sort = sort
        self.cut = cut
        self.told = b""
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(FIRST_WORDS[self.sort])
        if self.sort == "reader":
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.told += data

    def connection_lost(self, error: Exception | None) -> None:
        self.cut[f"{self.sort} {self.told[9:12].decode()}".strip()] += 1
        if not self.gone.done():
            self.gone.set_result(None)

    def drip(self) -> None:
        """One byte more."""
        if self.sort in ("head", "body") and not self.transport.is_closing():
            self.transport.write(b"x")


def _small(port: int) -> socket.socket:
    """A socket whose kernel does not read much on its owner's behalf."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    made.connect_ex(("127.0.0.1", port))
    return made


async def _one(port: int, sort: str, cut: "Counter[str]", open_: "set[Dripper]") -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            _, dripper = await loop.create_connection(lambda: Dripper(sort, cut), sock=_small(port))
        except OSError:
            await asyncio.sleep(DRIP_SECONDS)
            continue
        open_.add(dripper)
        if sort == "reader":  # nothing tells a socket that is not read that its peer has gone
            await asyncio.wait([dripper.gone], timeout=20)
            dripper.transport.abort()
        await dripper.gone
        open_.discard(dripper)


async def drip(port: int, count: int) -> None:
    """Keep `count` drippers open for ever."""
    cut: Counter[str] = Counter()
    open_: set[Dripper] = set()
    sorts = list(FIRST_WORDS)
    tasks = [
        asyncio.ensure_future(_one(port, sorts[number % len(sorts)], cut, open_))
        for number in range(count)
    ]
    while True:
        await asyncio.sleep(DRIP_SECONDS)
        for dripper in list(open_):
            dripper.drip()
        print(json.dumps({"open": len(open_), "cut": cut, "tasks": len(tasks)}), flush=True)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(drip(int(sys.argv[1]), int(sys.argv[2])))
