"""One embedded server: its address, its process, how it is stopped, and why it would not start."""

import os
import secrets
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from base import clock
from base.errors import HopfleetError

# A store that replays says so this often; there is no limit on how long it may take.
_SAY_EVERY_SECONDS = 5.0
_READY_POLL_SECONDS = 0.02


class NotStarted(HopfleetError):
    """An embedded server ended before it was ready; the text says what to do."""


@dataclass(frozen=True)
class Hooks:
    """What a caller wants to know while a server starts, and how it can give up."""

    say: Callable[[str], None] = lambda _: None
    # At once after the process exists, so that it can be recorded before anything else.
    launched: Callable[[str, "subprocess.Popen[bytes]", str], None] = lambda *_: None
    # Called often while waiting; what it raises ends the server and reaches the caller.
    waiting: Callable[[], None] = lambda: None


QUIET = Hooks()


@dataclass(frozen=True)
class Server:
    """A running embedded server; `stop_signals` are tried in order, SIGKILL comes last."""

    name: str
    url: str
    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    stop_signals: tuple[signal.Signals, ...]

    def stop(self, grace_seconds: float = 60.0) -> None:
        """Ask it to end, wait `grace_seconds`, then insist; harmless when it has ended."""
        for number in (*self.stop_signals, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(number)
            try:
                self.process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                grace_seconds = min(grace_seconds, 2.0)
            else:
                return

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone; for tests of what survives."""
        self.process.kill()
        self.process.wait()


def launch(
    argv: list[str], log: Path, options: dict[str, Any], stdin: bytes = b""
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C in the terminal does not reach it.

    `stdin` goes in through a pipe, so that what it holds is in no file and on no command line.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    if process.stdin is not None:
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended at once; waiting for readiness finds out why
    return process


def wait_until_ready(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], waiting: str, hooks: Hooks
) -> bool:
    """Ask `ready` until it says yes; `False` when the process ended instead. No time limit."""
    said = clock.steady()
    try:
        while process.poll() is None:
            if ready():
                return True
            if clock.steady() - said >= _SAY_EVERY_SECONDS:
                said = clock.steady()
                hooks.say(waiting)
            hooks.waiting()
            clock.sleep(_READY_POLL_SECONDS)
    except BaseException:
        process.kill()  # it was not ready, so nobody has given it anything yet
        process.wait()
        raise
    return False


def secret_in(path: Path, owner: tuple[int, int] | None = None) -> str:
    """The password in `path`, made on first use; mode 0600, owned by `owner` (uid, gid)."""
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
            file.flush()
            os.fsync(file.fileno())
        if owner:
            os.chown(fresh, *owner)
        fresh.rename(path)
    return path.read_text()


def end_strays(name: str, cwd: Path) -> int:
    """Kill what a killed server left behind: processes called `name` that work in `cwd`.

    Only for folders whose lock is ours. Returns how many there were.
    """
    strays = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == name and Path(process.cwd()) == cwd.resolve():
                process.kill()
                strays.append(process)
        except (psutil.Error, OSError):
            continue  # gone, or somebody else's
    psutil.wait_procs(strays, timeout=10)
    return len(strays)


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, empty when there is none."""
    try:
        return "\n".join(path.read_bytes()[-20_000:].decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
