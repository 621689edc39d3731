"""The only place that reads the time."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """This host's time, aware, in UTC. Not for ids: doors use the journal's clock."""
    return datetime.now(UTC)


def wall_ms() -> int:
    """This host's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def steady() -> float:
    """Seconds that only ever go forward, from an arbitrary start; for budgets and idle times."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait; for loops whose step found no work."""
    time.sleep(seconds)


class OffsetClock:
    """Another machine's clock: our steady clock plus the offset last measured against it.

    Starts with this host's clock, so that ids can be made before the first measurement; a
    jump of the host's clock afterwards moves nothing.
    """

    def __init__(self) -> None:
        self._offset_ms = wall_ms() - steady() * 1000
        self.measured = False

    def set(self, their_ms: float) -> None:
        """Take over what the other machine's clock says right now, in ms since 1970."""
        self._offset_ms = their_ms - steady() * 1000
        self.measured = True

    def ms(self) -> int:
        """The other machine's time in milliseconds since 1970."""
        return int(time.monotonic() * 1000 + self._offset_ms)

    def ahead_of_host_seconds(self) -> float:
        """How far the other clock is ahead of this host's; negative when it is behind."""
        return (self.ms() - wall_ms()) / 1000


def from_ms(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC datetime."""
    return datetime.fromtimestamp(ms / 1000, UTC)
