"""Which process is meant: a number alone gets reused, so its start and the boot belong to it."""

from pathlib import Path

import psutil

# The system counts start times in hundredths; more would let a stranger with the same number in.
_SAME_START_SECONDS = 0.05


def started(pid: int) -> float:
    """When it began, in seconds since the boot, which no change of the clock moves.

    Raises `psutil.Error` when there is no such process.
    """
    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def boot() -> str:
    """This boot's name; where the system gives none, start times must do."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def alive(pid: int, began: float, of_boot: str) -> bool:
    """Whether this very process runs, whoever has its number now."""
    try:
        same = abs(started(pid) - began) <= _SAME_START_SECONDS and of_boot == boot()
        return same and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
