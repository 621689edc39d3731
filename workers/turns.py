"""Whose turn it is to drain: one thread a kind, two while a backlog is there.

Nudges come from many doors at once. Those that find the work in hand end here, without a look
at any store, and leave word, so that what came with them is not left for the sweep.
"""

import threading
from collections import Counter

from journal.streams import Kind

WITH_BACKLOG = 2  # one prepares rows while PostgreSQL writes the other's


class Turns:
    """Shared by the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: Counter[Kind] = Counter()
        self._asked: set[Kind] = set()
        self._backlog: set[Kind] = set()

    def enter(self, kind: Kind) -> bool:
        """Take a turn, or leave word that something new has come."""
        with self._lock:
            most = WITH_BACKLOG if kind in self._backlog else 1
            if self._active[kind] >= most:
                self._asked.add(kind)
                return False
            self._active[kind] += 1
            return True

    def leave_unless_asked(self, kind: Kind) -> bool:
        """Give the turn back, unless word was left: then keep it, and look once more."""
        with self._lock:
            if kind in self._asked:
                self._asked.discard(kind)
                return False
            self._active[kind] -= 1
            return True

    def backlog(self, kind: Kind, there: bool) -> None:
        """Say whether more waits than one transaction takes."""
        with self._lock:
            (self._backlog.add if there else self._backlog.discard)(kind)

    def leave(self, kind: Kind) -> None:
        """Give the turn back, whatever is left."""
        with self._lock:
            self._active[kind] -= 1
