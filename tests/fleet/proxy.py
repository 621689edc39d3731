"""A bad network: a TCP proxy that loses one reply, delays, throttles, stalls, cuts and resets.

It stands between one part and one store, runs in a thread, and lets everything through until it
is told otherwise. What is stalled is held, not dropped, as a network that sends again does it.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tests.fleet.wires import PostgresWatch, RedisWatch, Wanted

_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST

Watch = RedisWatch | PostgresWatch


class Proxy:
    """Listens on a port of its own and passes on to `target`; `end` closes everything."""

    def __init__(self, target: int, watch: Callable[[], Watch], *, host: str = "127.0.0.1") -> None:
        self.target = target
        self.host = host  # where it listens
        self._watch = watch
        self._loop = asyncio.new_event_loop()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._open = asyncio.Event()
        self.delay_seconds = 0.0
        self.bytes_per_second: float | None = None
        self._wanted: Wanted | None = None
        self._left = 0
        self._then: Callable[[_Link], object] = _Link.cut
        self.swallowed = 0  # replies lost so far
        self.port = 0
        self.port = self._in_loop(self._listen())
        self.flow()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _in_loop(self, what: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(what, self._loop)
        return future.result(10)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._meet, self.host, self.port)
        return int(self._server.sockets[0].getsockname()[1])

    async def _meet(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            back.close()
            return
        link = _Link(self, self._watch(), (near, forth), (far, back))
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    # --- what can go wrong

    def stall(self) -> None:
        """Nothing passes any more, in either direction; nobody is told."""
        self._call(self._open.clear)

    def flow(self) -> None:
        """Everything passes again, what was held first."""
        self._call(self._open.set)

    def cut(self, *, reset: bool = False) -> int:
        """End all connections, in order or by RST; new ones are welcome. Returns how many."""
        return int(self._call(lambda: self._end_links(reset)))

    def refuse(self) -> None:
        """End all connections and take no new ones."""
        self._in_loop(self._deaf())
        self.cut(reset=True)

    def listen(self) -> None:
        """Take connections again, on the same port."""
        self._in_loop(self._listen())

    def swallow(self, wanted: Wanted, *, times: int = 1, hang: bool = False) -> None:
        """Lose the next `times` replies that are wanted: the server has done what was asked.

        The connection is cut in the reply's place, or stays open and silent (`hang`).
        """

        def arm() -> None:
            self._wanted, self._left = wanted, times
            self._then = _Link.hang if hang else _Link.cut

        self._call(arm)

    def unswallow(self) -> None:
        """Lose no reply any more; connections that hang are cut."""

        def disarm() -> None:
            self._wanted, self._left = None, 0
            for link in list(self._links):
                if link.hangs:
                    link.cut()

        self._call(disarm)

    def heal(self) -> None:
        """As on the first day."""
        self.unswallow()
        self.delay_seconds, self.bytes_per_second = 0.0, None
        self.flow()

    def end(self) -> None:
        """Close everything and end the thread."""
        self._in_loop(self._deaf())
        self.cut()
        self._in_loop(self._gone())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    def _call(self, act: Callable[[], Any]) -> Any:
        async def call() -> Any:
            return act()

        return self._in_loop(call())

    async def _deaf(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _gone(self) -> None:
        while self._links:
            await asyncio.sleep(0.005)

    def _end_links(self, reset: bool) -> int:
        ended = [link for link in list(self._links) if link.cut(reset=reset)]
        return len(ended)

    # --- for its links

    @property
    def wanted(self) -> Wanted | None:
        """Whose reply to lose."""
        return self._wanted if self._left else None

    def lose(self, link: "_Link") -> None:
        """The wanted reply is here."""
        self._left -= 1
        self.swallowed += 1
        self._then(link)

    async def hold(self, size: int) -> None:
        """Wait for as long as `size` bytes take at present."""
        await self._open.wait()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if self.bytes_per_second:
            await asyncio.sleep(size / self.bytes_per_second)


_Half = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One client's connection and the one to the server that was opened for it."""

    def __init__(self, proxy: Proxy, watch: Watch, forth: _Half, back: _Half) -> None:
        self._proxy = proxy
        self._watch = watch
        self._forth = forth
        self._back = back
        self.hangs = False

    async def run(self) -> None:
        tasks = [asyncio.ensure_future(self._ask()), asyncio.ensure_future(self._answer())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self.cut()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self) -> None:
        reader, writer = self._forth
        while data := await _read(reader):
            self._watch.sent(data, self._proxy.wanted)
            await self._proxy.hold(len(data))
            writer.write(data)
            await writer.drain()

    async def _answer(self) -> None:
        reader, writer = self._back
        while data := await _read(reader):
            # Its own reply may have been asked for before another link's was lost.
            if self._watch.came(data, self._proxy.wanted) and self._proxy.wanted:
                self._proxy.lose(self)
            await self._proxy.hold(len(data))
            if self.hangs:
                continue
            if writer.is_closing():
                return
            writer.write(data)
            await writer.drain()

    def hang(self) -> None:
        """Say nothing any more, and stay."""
        self.hangs = True

    def cut(self, *, reset: bool = False) -> bool:
        """End both connections; whether they were open."""
        was_open = not self._back[1].is_closing()
        for _, writer in (self._forth, self._back):
            if reset and not writer.is_closing():
                found: socket.socket = writer.get_extra_info("socket")
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort() if reset else writer.close()
        return was_open


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return b""
