"""A mail server that takes everything and keeps nothing but a count: what sending costs us."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

_GREETING = b"220 bench ESMTP\r\n"
_ANSWERS = {b"EHLO": b"250-bench\r\n250-PIPELINING\r\n250 8BITMIME\r\n", b"DATA": b"354 go on\r\n",
            b"QUIT": b"221 bye\r\n"}  # fmt: skip
_DONE = b"250 ok\r\n"
_END = b"\r\n.\r\n"


class Session(asyncio.Protocol):
    """One client; commands may come in pieces or several at once."""

    def __init__(self, count: Path) -> None:
        self._count = count
        self._rest = b""
        self._in_data = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Take one message or one command out of what came; whether there was one."""
        message, end, rest = self._rest.partition(_END if self._in_data else b"\r\n")
        if not end:
            return False
        self._rest = rest
        if self._in_data:
            self._in_data = False
            with self._count.open("ab") as file:
                file.write(b".")  # a byte a mail, so that anybody can count without asking us
            self._transport.write(_DONE)
            return True
        word = message[:4].upper()
        self._in_data = word == b"DATA"
        self._transport.write(_ANSWERS.get(word, _DONE))
        if word == b"QUIT":
            self._transport.close()
        return True


async def _run(port: int, count: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Session(count), "127.0.0.1", port)
    print("ready", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_run(int(sys.argv[1]), Path(sys.argv[2])))
