"""Pacing: long work takes the machine while it idles, and a share of it while doors are busy.

Whoever reads a million products would otherwise have one core, and PostgreSQL another, when
visitors come in thousands a second.
"""

from base.clock import steady
from base.errors import Misused, StoreAway
from journal import claims
from journal.streams import Kind
from workers.stopping import wait

SHARE = 0.15  # of the time, while doors are busy
BUSY_ITEMS = 300  # waiting: about 1,500 events a second, looked at five times a second
_KINDS = (Kind.CLICKS, Kind.CONVERSIONS, Kind.CLICKS_BULK, Kind.CONVERSIONS_BULK)
_LOOK_SECONDS = 0.2
_STAYS_SECONDS = 1.0  # between two drains nothing waits, and yet doors are busy
_AGAIN_SECONDS = 5.0  # until a journal that is away is asked again
_MOST_SECONDS = 10.0


class Pace:
    """One long piece of work; for one thread."""

    def __init__(self) -> None:
        self._since = steady()
        self._look_at = 0.0
        self._busy_until = 0.0

    def rest(self) -> None:
        """Between two pieces of work, of at most some tenths of a second: wait, if doors are busy.

        Returns at once when the process is told to stop.
        """
        worked = steady() - self._since
        if self._busy():
            wait(min(worked * (1 / SHARE - 1), _MOST_SECONDS))
        self._since = steady()

    def _busy(self) -> bool:
        at = steady()
        if at >= self._look_at:
            self._look_at = at + _LOOK_SECONDS
            try:
                if claims.backlog(_KINDS) >= BUSY_ITEMS:
                    self._busy_until = at + _STAYS_SECONDS
            except (StoreAway, Misused, ValueError):  # no journal here: nobody to wait for
                self._look_at = at + _AGAIN_SECONDS
        return at < self._busy_until
