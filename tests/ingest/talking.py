"""A raw HTTP client: sends exactly these bytes, reads exactly these answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """One answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Give bytes to the kernel."""
        self.writer.write(data)

    async def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer; fails when the connection ends before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(": ")
                assert name.lower() not in headers, f"{name} comes twice"
                headers[name.lower()] = value
            version, status, _ = first.split(" ", 2)
            assert version == "HTTP/1.1"
            size = 0 if to_head or status == "100" else int(headers["content-length"])
            return Answer(int(status), headers, await self.reader.readexactly(size))

    async def is_closed(self) -> bool:
        """Whether the other side hangs up without another byte; waits for either."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def talk(port: int) -> AsyncIterator[Talk]:
    """A connection to a server on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ask(port: int, data: bytes, *, to_head: bool = False) -> Answer:
    """One request on a connection of its own."""
    async with talk(port) as connection:
        connection.send(data)
        return await connection.answer(to_head=to_head)


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request; a body gets its length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: testing"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
