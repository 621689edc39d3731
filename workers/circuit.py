"""Circuits: a server that keeps failing is left alone for a while, then tried once."""

from base.clock import steady


class Circuit:
    """Opens after so many failures in a row, for a pause that doubles up to `most_seconds`."""

    def __init__(self, after: int, first_seconds: float, most_seconds: float) -> None:
        self.failures = 0
        self._after = after
        self._first = first_seconds
        self._most = most_seconds
        self._until = 0.0

    def is_open(self) -> bool:
        """Whether nothing is to be tried."""
        return self._until > steady()

    def room(self, usual: int) -> int:
        """How much may be under way: nothing, one to see whether it works again, or as usual."""
        if self.is_open():
            return 0
        return min(1, usual) if self.failures >= self._after else usual

    def heard(self, *, failed: bool) -> None:
        """What came of a try; those that were under way when it opened say nothing new."""
        if not failed:
            self.failures = 0
        elif not self.is_open():
            self.failures += 1
            if (times := self.failures - self._after) >= 0:
                pause = min(self._first * 2.0 ** min(times, 20), self._most)
                self._until = steady() + pause
