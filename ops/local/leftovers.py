"""Who runs for this data folder, written down as they start, so that a later `up` can end them."""

import contextlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from base import clock, identity
from ops.local.folder import write_private

_GRACE_SECONDS = 5.0
_STORES_GRACE_SECONDS = 30.0  # a database that is told to end writes what it holds in memory


@dataclass(frozen=True)
class Child:
    """A process by number, start time and boot: a number alone gets reused."""

    name: str
    pid: int
    started: float  # seconds since the boot, which no change of the clock moves
    boot: str
    signal: str  # the name of the signal that asks it to end
    store: bool  # ends after those that use it

    def alive(self) -> bool:
        """Whether this very process runs, whoever has its number now."""
        return identity.alive(self.pid, self.started, self.boot)


class Register:
    """The list of children in a file of the data folder; the newest under a name counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._children: dict[str, Child] = {}

    def add(self, name: str, pid: int, stop_signal: str, *, store: bool) -> None:
        """Write down a child that was just started."""
        with contextlib.suppress(psutil.Error):  # it may have ended already
            started = identity.started(pid)
            self._children[name] = Child(name, pid, started, identity.boot(), stop_signal, store)
            self._write()

    def clear(self) -> None:
        """All have ended."""
        self._children = {}
        self._path.unlink(missing_ok=True)

    def left_from_before(self) -> list[Child]:
        """Those of an earlier `up` that still run."""
        try:
            known = [Child(**each) for each in json.loads(self._path.read_text())]
        except (OSError, ValueError, TypeError):
            return []
        return [child for child in known if child.alive()]

    def _write(self) -> None:
        write_private(self._path, json.dumps([asdict(c) for c in self._children.values()]))


def end(children: list[Child]) -> None:
    """End leftovers: the users of the stores first, then the stores; insist after a grace."""
    _end([child for child in children if not child.store], _GRACE_SECONDS)
    _end([child for child in children if child.store], _STORES_GRACE_SECONDS)


def _end(children: list[Child], grace_seconds: float) -> None:
    for child in children:
        _signal(child, signal.Signals[child.signal])
    until = clock.steady() + grace_seconds
    while clock.steady() < until and any(child.alive() for child in children):
        clock.sleep(0.02)
    for child in children:
        _signal(child, signal.SIGKILL)
    while any(child.alive() for child in children):
        clock.sleep(0.02)


def _signal(child: Child, number: signal.Signals) -> None:
    if child.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)
