"""Whose turn it is to drain: one thread a kind; two, or as said, while a backlog is there.

Nudges come from many doors at once. Those that find the work in hand end here, without a look
at any store, and leave word, so that what came with them is not left for the sweep.
"""

import threading
from collections import Counter
from collections.abc import Callable

from journal.streams import Kind

WITH_BACKLOG = 2  # one prepares rows while PostgreSQL writes the other's


class Turns:
    """Shared by the threads of one process."""

    def __init__(self, width: Callable[[Kind], int] = lambda _: WITH_BACKLOG) -> None:
        self._width = width  # how many threads a kind may have while a backlog is there
        self._lock = threading.Lock()
        self._active: Counter[Kind] = Counter()
        self._asked: set[Kind] = set()
        self._backlog: set[Kind] = set()

    def enter(self, kind: Kind) -> bool:
        """Take a turn, or leave word that something new has come."""
        with self._lock:
            if self._active[kind] >= self._most(kind):
                self._asked.add(kind)
                return False
            self._active[kind] += 1
            return True

    def leave_if_too_many(self, kind: Kind) -> bool:
        """Give the turn back when fewer threads are wanted by now than have one."""
        with self._lock:
            if self._active[kind] <= max(1, self._width(kind)):
                return False
            self._active[kind] -= 1
            return True

    def _most(self, kind: Kind) -> int:
        return max(1, self._width(kind)) if kind in self._backlog else 1

    def leave_unless_asked(self, kind: Kind) -> bool:
        """Give the turn back, unless word was left: then keep it, and look once more."""
        with self._lock:
            if kind in self._asked:
                self._asked.discard(kind)
                return False
            self._active[kind] -= 1
            return True

    def room(self, kind: Kind) -> bool:
        """Whether a backlog is there and fewer threads than may have a turn."""
        with self._lock:
            return kind in self._backlog and self._active[kind] < self._most(kind)

    def backlog(self, kind: Kind, there: bool) -> None:
        """Say whether more waits than one transaction takes."""
        with self._lock:
            (self._backlog.add if there else self._backlog.discard)(kind)

    def leave(self, kind: Kind) -> None:
        """Give the turn back, whatever is left."""
        with self._lock:
            self._active[kind] -= 1
