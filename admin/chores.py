"""When each recurring chore of a process ran last, how it ended, and whether one hangs."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric

from admin.numbers import counters, gauges
from base.clock import steady, wall_ms


class Chores:
    """Told by the threads that run the chores; each chore runs once at a time."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}  # of those that run now
        self._seconds: dict[str, float] = {}
        self._done_at: dict[str, float] = {}
        self._runs: Counter[tuple[str, ...]] = Counter()
        self.beat = steady()  # when any of them began last

    def begins(self, name: str) -> None:
        """A run begins."""
        self.beat = self._began[name] = steady()

    def ended(self, name: str, how: str) -> None:
        """It ended: `done`, `postponed` for an outage, or `failed`."""
        self._seconds[name] = steady() - self._began.pop(name)
        self._runs[name, how] += 1
        if how == "done":
            self._done_at[name] = wall_ms() / 1000

    def hanging(self, names: tuple[str, ...], most_seconds: float) -> str | None:
        """Why one of these chores will not end; None while there is hope."""
        now = steady()
        for name, began in list(self._began.items()):
            if name in names and now - began > most_seconds:
                return f"{name} has been running for {now - began:.0f} s"
        return None

    def collect(self) -> Iterator[Metric]:
        """The numbers."""
        of = ("chore",)
        yield gauges(
            "hopfleet_chore_last_done_timestamp_seconds",
            "When the chore last came to its end, in seconds since 1970.", of, self._done_at,
        )  # fmt: skip
        yield gauges(
            "hopfleet_chore_last_seconds", "How long its last run took.", of, self._seconds
        )
        yield counters(
            "hopfleet_chore_runs_total",
            "Runs, by how they ended: `postponed` is an outage, `failed` a fault of ours.",
            ("chore", "ended"), self._runs,
        )  # fmt: skip
