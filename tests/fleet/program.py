"""One of our own processes: started by name, killed, stopped, and its log kept."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from base.clock import sleep, steady

ROOT = Path(__file__).parents[2]
_POLL_SECONDS = 0.002


class Program:
    """`python -m ops …` in a session of its own; may be started again after it has ended."""

    def __init__(
        self,
        name: str,
        words: tuple[str, ...],
        environment: Mapping[str, str],
        folder: Path,
        *,
        inside: tuple[str, ...] = (),  # a command that becomes the one given to it
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._argv = [*inside, sys.executable, "-m", "ops", *words]
        self.environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with more in its environment if given; returns at once."""
        assert not self.running()
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._argv, env={**self.environment, **(environment or {})}, cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Its exit code once it has ended; raises `subprocess.TimeoutExpired`."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait(10)

    def terminate(self, seconds: float = 10) -> float:
        """SIGTERM; returns how many seconds the end took."""
        began = steady()
        self.send(signal.SIGTERM)
        self.wait(seconds)
        return steady() - began

    def says(self, word: str, since: int) -> bool:
        """Whether `word` stands in the log behind byte `since`; fails when it has ended."""
        assert self.running(), f"{self.name} ended:\n{self.said(0)[-3000:]}"
        return word in self.said(since)

    def said(self, since: int) -> str:
        """The log behind byte `since`."""
        return self.log.read_bytes()[since:].decode(errors="replace") if self.log.exists() else ""

    def end(self) -> None:
        """Gone for sure, whatever state it is in."""
        if self.running():
            self.kill()


def until(happened: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for something to become true; returns how long it took, fails by name when too long."""
    began = steady()
    while not happened():
        if steady() - began > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        sleep(_POLL_SECONDS)
    return steady() - began
