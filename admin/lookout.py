"""A look at a store in a thread of its own, so that a store that hangs delays no answer."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from base.clock import steady
from base.logs import log

T = TypeVar("T")

FRESH_SECONDS = 1.0  # many may ask at once: the store is asked once a second at most
PATIENCE_SECONDS = 2.0


class Lookout(Generic[T]):
    """Asks when it is asked, and by itself every `every_seconds` if that is given."""

    def __init__(
        self, name: str, look: Callable[[], T], away: tuple[type[Exception], ...],
        every_seconds: float | None = None,
    ) -> None:  # fmt: skip
        """`away` are the errors that say a store is away: worth no line in the logs."""
        self._name = name
        self._look = look
        self._away = away
        self._every = every_seconds
        self._asked = threading.Event()
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._seen: T | None = None
        self._ended = float("-inf")  # when the last look ended
        self._thread = threading.Thread(target=self._run, name=f"look-{name}", daemon=True)

    def start(self) -> None:
        """Be ready to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; does not wait for a store that hangs."""
        self._stop.set()
        self._asked.set()

    def see(self) -> T | None:
        """What is so now, at most a second old; None when the store is away, or too slow."""
        with self._changed:
            if steady() - self._ended > FRESH_SECONDS:
                until = self._ended
                self._asked.set()
                if not self._changed.wait_for(lambda: self._ended > until, PATIENCE_SECONDS):
                    return None
            return self._seen

    def _run(self) -> None:
        while not self._stop.is_set():
            self._asked.wait(self._every)
            self._asked.clear()
            if self._stop.is_set():
                return
            seen = self._looked()
            with self._changed:
                self._seen, self._ended = seen, steady()
                self._changed.notify_all()

    def _looked(self) -> T | None:
        try:
            return self._look()
        except self._away:
            return None
        except Exception:
            # Numbers that are missing are better than a process that ends for them.
            log().exception("look.failed", what=self._name)
            return None
