"""A whole door in this process: real stores, a real socket; it runs while a test waits for it."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from base.clock import steady
from base.settings import Settings
from ingest import process
from ingest.http import Handler
from ingest.process import Standing
from ingest_api import Doors
from tests.ingest.talking import Answer, ask, request

T = TypeVar("T")


class Door:
    """One ingest process's inside; `stop` is its SIGTERM."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.settings = Settings(data_dir=folder, **more)
        self.base: Standing
        self.doors: Doors
        self._runner = asyncio.Runner()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        loop = self._runner.get_loop()
        self._running = loop.create_task(
            process.run(self.settings, "127.0.0.1", self.port, self._make)
        )
        self.until(self._answers)

    def _make(self, base: Standing) -> Handler:
        self.base = base
        self.doors = Doors(base)
        return self.doors.handle

    async def _answers(self) -> bool:
        if self._running.done():
            self._running.result()
        try:
            await ask(self.port, request("GET", "/healthz", {}))
        except ConnectionError:
            return False
        return True

    def wait(self, what: Coroutine[Any, Any, T]) -> T:
        """Run the door until this is done."""
        return self._runner.run(what)

    def until(self, true: Callable[[], Any], seconds: float = 10) -> None:
        """Run the door until this is true, asking every few milliseconds."""

        async def look() -> None:
            end = steady() + seconds
            while True:
                found = true()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                assert steady() < end, f"not true within {seconds} seconds"
                await asyncio.sleep(0.005)

        self.wait(look())

    def ask(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """One request on a connection of its own."""
        data = request(method, target, headers or {}, body)
        return self.wait(ask(self.port, data, to_head=method == "HEAD"))

    def send(self, data: bytes) -> Answer:
        """Exactly these bytes on a connection of their own."""
        return self.wait(ask(self.port, data))

    def get(self, target: str, **headers: str) -> Answer:
        """GET; `user_agent` becomes User-Agent."""
        return self.ask("GET", target, {name.replace("_", "-"): v for name, v in headers.items()})

    def post(self, target: str, body: bytes, **headers: str) -> Answer:
        """POST; header names as in `get`."""
        return self.ask(
            "POST", target, {name.replace("_", "-"): v for name, v in headers.items()}, body
        )

    def end(self) -> None:
        """The whole process's end, as far as its loop goes; raises what ended it."""
        self.wait(asyncio.wait_for(asyncio.shield(self._running), 20))

    def stop(self) -> None:
        """SIGTERM, unless it has ended by itself; then the loop goes, too."""
        try:
            if not self._running.done():
                signal.raise_signal(signal.SIGTERM)
                self.end()
        finally:
            self._runner.close()
