"""Lines: connections to mail servers that wait a moment for the next mail."""

import asyncio

from base.clock import steady
from integrations.guard import Guard
from integrations.smtp import Line, Server


class Lines:
    """Idle connections; used by the tasks of one event loop."""

    def __init__(self, seconds: float, idle_seconds: float, guard: Guard | None = None) -> None:
        """`seconds` is how long each answer may take; a guard is for servers users have named."""
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._guard = guard
        self._idle: dict[Server, list[tuple[Line, float]]] = {}

    def take(self, server: Server, *, guarded: bool = False) -> Line:
        """A connection of its own for a mail, or what becomes one."""
        waiting = self._idle.get(server)
        if waiting:
            return waiting.pop(0)[0]
        return Line(server, self._seconds, self._guard if guarded else None)

    def give(self, line: Line) -> None:
        """It is free for the next mail."""
        self._idle.setdefault(line.server, []).append((line, steady()))

    async def close(self, *, old_only: bool = False) -> None:
        """End those that nobody uses; only those that have waited for a while."""
        ending = []
        for server, waiting in list(self._idle.items()):
            old = [one for one in waiting if not old_only or steady() - one[1] > self._idle_seconds]
            ending += [line for line, _ in old]
            self._idle[server] = [one for one in waiting if one not in old]
            if not self._idle[server]:
                del self._idle[server]
        await asyncio.gather(*(line.close() for line in ending))
