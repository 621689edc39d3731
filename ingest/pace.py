"""How long this door's appends take, and how much goes into each."""

from collections import Counter

from admin.numbers import COUNTS, SECONDS, Histogram
from base.clock import steady

JOURNAL, SPOOL = "journal", "spool"  # where a group was kept


class Pace:
    """Counted once a group commit, on the loop's thread: a click pays nothing for it."""

    def __init__(self) -> None:
        self.seconds = {JOURNAL: Histogram(SECONDS), SPOOL: Histogram(SECONDS)}
        self.ack_seconds = {JOURNAL: Histogram(SECONDS), SPOOL: Histogram(SECONDS)}
        self.events = Histogram(COUNTS)
        self.kept: Counter[str] = Counter()  # events, by where

    def done(self, where: str, count: int, opened: float, began: float) -> None:
        """A group of `count` events is on disk; its first came at `opened` (steady time).

        Every event counts as long as the first of its group has waited: none waited longer.
        """
        now = steady()
        self.seconds[where].observe(now - began)
        self.ack_seconds[where].observe(now - opened, count)
        self.events.observe(count)
        self.kept[where] += count
