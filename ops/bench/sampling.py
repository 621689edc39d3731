"""CPU and memory of processes and all their children, while something runs."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from base.clock import steady

_EVERY_SECONDS = 1.0
_MIB = 1024**2


@dataclass
class Usage:
    """One component over one stretch of time; CPU as a share of one core."""

    cpu_seconds: float = 0.0
    seconds: float = 0.0
    processes: int = 0
    largest_mib: float = 0.0  # the largest resident set any of its processes had
    total_mib: float = 0.0  # all its resident sets at the end; shared pages count repeatedly
    _seen: dict[tuple[int, float], float] = field(default_factory=dict, repr=False)

    @property
    def cores(self) -> float:
        """CPU seconds per second."""
        return self.cpu_seconds / self.seconds if self.seconds else 0.0

    def figures(self) -> dict[str, Any]:
        """What the report shows."""
        return {
            "cores": round(self.cores, 4),
            "processes": self.processes,
            "largest_mib": round(self.largest_mib, 1),
            "total_mib": round(self.total_mib, 1),
        }


def busy_seconds() -> float:
    """CPU seconds that all programs of this machine have used since it started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - _twice_counted(times))


def _twice_counted(times: Any) -> float:
    """Guests' time, which Linux also counts as the host's own."""
    return float(getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0))


@contextmanager
def sampled(components: Mapping[str, int]) -> Iterator[dict[str, Usage]]:
    """Watch the process trees under the given pids; the figures are complete after the block."""
    usages = {name: Usage() for name in components}
    for name, pid in components.items():
        _look(usages[name], pid, count=False)
    started, stop = steady(), threading.Event()
    thread = threading.Thread(target=_watch, args=(components, usages, stop), daemon=True)
    thread.start()
    try:
        yield usages
    finally:
        stop.set()
        thread.join()
        for name, pid in components.items():
            _look(usages[name], pid)
            usages[name].seconds = steady() - started


def _watch(
    components: Mapping[str, int], usages: Mapping[str, Usage], stop: threading.Event
) -> None:
    while not stop.wait(_EVERY_SECONDS):
        for name, pid in components.items():
            _look(usages[name], pid)


def _look(usage: Usage, pid: int, *, count: bool = True) -> None:
    """Add what each process of the tree used since the last look."""
    total = processes = 0
    for process in _family(pid):
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info().rss
                key = (process.pid, process.create_time())
        except psutil.Error:
            continue
        spent = times.user + times.system
        if count:
            usage.cpu_seconds += spent - usage._seen.get(key, 0.0)
        usage._seen[key] = spent
        usage.largest_mib = max(usage.largest_mib, memory / _MIB)
        total += memory
        processes += 1
    if processes:  # one that has ended keeps its last figures
        usage.total_mib, usage.processes = total / _MIB, processes


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []
