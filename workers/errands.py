"""Errands: many small ones at once in one event loop, in a thread of its own.

A worker's threads are shared by its queues: none of them may wait for somebody else's server. The
thread begins when there is something to do and ends when there is not.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import psycopg

from base.clock import steady
from base.errors import HopfleetError
from base.logs import log
from workers.stopping import stopping

LOOK_SECONDS = 0.5
IDLE_SECONDS = 1.0
GATHER_SECONDS = 0.002  # answers that come together are written together
STOP_SECONDS = 6.0


class Errands(ABC):
    """The thread; `wake` when there may be something to do, `stop` before the process ends."""

    name: str

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()
        self._again = False  # asked when the loop was ending
        self._stopped = False

    @abstractmethod
    def begin(self) -> None:
        """Forget what the last loop had."""

    @abstractmethod
    async def step(self) -> int:
        """Write down what was done, claim and begin what may be done; how many began."""

    @abstractmethod
    async def leave(self) -> None:
        """Let go of what is on its way, and of every connection."""

    @abstractmethod
    def running(self) -> Iterable["asyncio.Task[Any]"]:
        """What is on its way."""

    @abstractmethod
    def unwritten(self) -> bool:
        """Whether something was done that is not written down."""

    def wake(self) -> None:
        """Look for what is due."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._begin, name=self.name, daemon=True)
                self._thread.start()
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(self._asked.set)
            else:
                self._again = True

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Claim nothing more, and wait for what is on its way."""
        self._stopped = True
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._asked.set)
        if (thread := self._thread) is not None:
            thread.join(seconds)

    def look_again(self) -> None:
        """Take the next step at once; for the loop itself."""
        self._asked.set()

    def stops(self) -> bool:
        """Whether nothing more is to be claimed."""
        return self._stopped or stopping()

    def _begin(self) -> None:
        while True:
            self._again = False
            try:
                asyncio.run(self._run())
            except Exception:
                log().exception(f"{self.name}.failed")
            with self._lock:
                if not self._again or self.stops():
                    self._thread = None
                    return

    async def _run(self) -> None:
        self.begin()
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            await self._rounds()
        finally:
            with self._lock:
                self._loop = None  # it takes no calls once it is closed
            await self.leave()

    async def _rounds(self) -> None:
        """Go on until nothing has been due for a while, or the process ends."""
        worked_at = steady()
        while True:
            self._asked.clear()
            try:
                began = await self.step()
            except (HopfleetError, psycopg.Error) as error:
                log().warning(f"{self.name}.postponed", reason=str(error) or type(error).__name__)
                await asyncio.sleep(LOOK_SECONDS)
                began = 0
            if began or self.unwritten() or any(True for _ in self.running()):
                worked_at = steady()
            elif self.stops() or steady() - worked_at > IDLE_SECONDS:
                break
            await self._wait()

    async def _wait(self) -> None:
        asked = asyncio.create_task(self._asked.wait())
        running = list(self.running())
        await asyncio.wait(
            [asked, *running], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        asked.cancel()
        if running:
            await asyncio.sleep(GATHER_SECONDS)
