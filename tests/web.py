"""A real web server that does to each request what a test has asked for, and keeps what it got."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Got(NamedTuple):
    """A request as it came over the wire; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Got, asyncio.StreamWriter], Awaitable[None]]


class Web:
    """`answer` writes what is sent back; `got` are the requests, in their order."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[Got] = []
        self.answer: Answering = say(200)
        self.under_way = 0
        self.most_under_way = 0
        self.connections = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.released = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        """What was asked for."""
        return [one.path for one in self.got]

    def release(self) -> None:
        """Let those that hang go on."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.released.set)

    async def hang(self, _: Got, writer: asyncio.StreamWriter) -> None:
        """Answers once it is released."""
        await self.released.wait()
        writer.write(_plain(200, b"late"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.writers.discard(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing() and (got := await _read(reader)) is not None:
            self.got.append(got)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                await self.answer(got, writer)
                await writer.drain()
            finally:
                self.under_way -= 1


async def _read(reader: asyncio.StreamReader) -> Got | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(method, path, headers, body)


def _plain(status: int, body: bytes, *headers: str) -> bytes:
    told = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n{told}\r\n".encode() + body


def say(status: int, body: bytes = b"ok", *headers: str) -> Answering:
    """Always the same answer."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(_plain(status, body, *headers))

    return answer


def say_each(*answers: Answering) -> Answering:
    """One after the other; the last one again and again."""
    left = list(answers)

    async def answer(got: Got, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(got, writer)

    return answer


async def hang_up(_: Got, writer: asyncio.StreamWriter) -> None:
    """No answer: the connection ends."""
    writer.transport.abort()


@contextmanager
def web(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """The server, until the end of the block."""
    made = Web()
    began = threading.Event()
    ending = asyncio.Event()

    async def run() -> None:
        made.loop = asyncio.get_running_loop()
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
        began.set()
        await ending.wait()
        made.released.set()
        for _ in range(5):
            await asyncio.sleep(0)  # a server that closes while it accepts forgets that socket
        # Also those that were only just accepted.
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for writer in made.writers:
                writer.transport.abort()
            await asyncio.wait(left, timeout=0.1)
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    began.wait(10)
    try:
        yield made
    finally:
        assert made.loop is not None
        made.loop.call_soon_threadsafe(ending.set)
        thread.join(10)
