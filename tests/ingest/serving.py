"""The HTTP server with a handler of a test, and a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import orjson

from ingest import http
from ingest.http import Request
from ingest.responses import response
from tests.ingest.talking import ask

GET = b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n"


def echo(request: Request) -> bytes:
    """Says what was understood."""
    seen = {
        "method": request.method.decode(),
        "target": request.target.decode("latin-1"),
        "headers": {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in request.headers.items()
        },
        "body": request.body.decode("latin-1"),
    }
    return response(200, b"", orjson.dumps(seen))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@asynccontextmanager
async def serving(
    handler: http.Handler = echo, *, most: int = 100, on_bug: Callable[[], None] = lambda: None
) -> AsyncIterator[http.Server]:
    server = await http.serve(handler, "127.0.0.1", 0, max_connections=most, on_bug=on_bug)
    try:
        yield server
    finally:
        await server.stop(0.2)


class Held:
    """A handler that answers only when the test says so."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()

    def __call__(self, request: Request) -> None:
        self.requests.put_nowait(request)

    async def answer(self, body: bytes = b"") -> Request:
        """Answer the next request that waits."""
        async with asyncio.timeout(10):
            request = await self.requests.get()
        request.answer(response(200, b"", body))
        return request


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


def pass_seconds(server: http.Server, seconds: int) -> None:
    """What the server does when its clock has gone on so far."""
    for connection in list(server.connections):
        connection.close_if_due(server.beat + seconds)


async def understood(data: bytes) -> dict[str, Any]:
    async with serving() as server:
        answer = await ask(server.port, data)
        assert answer.status == 200
        seen: dict[str, Any] = orjson.loads(answer.body)
        return seen
