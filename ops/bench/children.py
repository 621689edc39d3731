"""Processes that a run starts: in sessions of their own, stopped by pid, whatever happens."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from base.clock import sleep, steady
from base.errors import HopfleetError

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class ChildFailed(HopfleetError):
    """A process of the run ended, or did not get ready; the text quotes its log."""


class Child:
    """One running process and its log."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._log = log

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> int:
        """Its exit code, once it has ended; raises `subprocess.TimeoutExpired`."""
        return self._process.wait(seconds)

    def said(self) -> str:
        """Its whole log."""
        return self._log.read_text(errors="replace")

    def failed(self, why: str) -> ChildFailed:
        """An error that quotes the end of the log."""
        tail = self.said()[-2000:].strip() or "its log is empty"
        return ChildFailed(f"{self.name} {why}: {tail}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for what is left of it and of its children."""
        try:
            family = [*psutil.Process(self.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        if self.running():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for orphan in family:  # psutil compares start times: never somebody else's pid
            if orphan.is_running():
                orphan.kill()
        psutil.wait_procs(family, timeout=_STOP_SECONDS)


@contextmanager
def child(
    name: str, argv: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Child]:
    """Run `argv` while the block lasts; its output goes to a log in `folder`."""
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; we stop them in order
        )
    started = Child(name, process, log)
    with ExitStack() as stack:
        stack.callback(started.stop)
        yield started


def python(*arguments: str) -> list[str]:
    """The command line of a module under this interpreter."""
    return [sys.executable, *arguments]


def hopfleet(*arguments: str) -> list[str]:
    """A command line of Hopfleet itself, under this interpreter."""
    return python("-c", "from ops.cli import main; main()", *arguments)


def wait_until_answering(started: Child, port: int, path: str, *, status: int = 200) -> None:
    """Ask GET `path` until it says `status`; raises `ChildFailed` when that takes too long."""
    end = steady() + _START_SECONDS
    while steady() < end:
        if not started.running():
            raise started.failed("ended while starting")
        if _status(port, path) == status:
            return
        sleep(0.05)
    raise started.failed(f"did not answer {path} within {_START_SECONDS:.0f} s")


def _status(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
