"""Keeps the children of `up` running: starts them again when they end, and stops them in order."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

from base import clock
from base.errors import HopfleetError
from ops.local import fleet
from ops.local.fleet import Program
from ops.local.folder import DataFolder
from ops.local.leftovers import Register
from ops.local.logfiles import LogFile
from ops.local.screen import Screen
from ops.local.server import Hooks, Server
from ops.local.stores import Store

_GLANCE_SECONDS = 0.2
_FIRST_BACKOFF_SECONDS = 0.2
_MOST_BACKOFF_SECONDS = 10.0
_SETTLED_SECONDS = 30.0  # who ran this long starts again at once the next time
_ALL_STOPPED_SECONDS = 9.0  # from Ctrl-C to the end, whatever the children do


class StopAsked(HopfleetError):
    """Somebody pressed Ctrl-C, or sent SIGTERM or SIGHUP."""


@dataclass
class Part:
    """One child: how it starts, its process, and when it may start again."""

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    log: LogFile
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    due: float | None = None  # when it starts again, after it ended
    starting: bool = False
    backoff_seconds: float = _FIRST_BACKOFF_SECONDS
    ends: int = 0

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """Holds the children; everything happens in the thread that calls."""

    folder: DataFolder
    screen: Screen
    register: Register
    stores: dict[str, Server] = field(default_factory=dict)  # by setting
    parts: dict[str, Part] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    signals: int = 0  # how often we were asked to stop

    def listen(self) -> None:
        """Take Ctrl-C, SIGTERM and a closed terminal as the wish to stop, from now on."""

        def asked(*_: object) -> None:
            self.signals += 1

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, asked)

    def add_store(self, store: Store) -> None:
        """Start a store and keep it running; raises when it does not start the first time."""
        log = LogFile(store.name, self.folder.log(store.name), store=True)
        log.rotate()
        hooks = Hooks(self.screen.say, self._record_store, self.glance)

        def start() -> "subprocess.Popen[bytes]":
            # The same port again: all children have it in their settings.
            known = self.stores.get(store.setting)
            server = store.start(known.port if known else 0, hooks)
            self.stores[store.setting] = server
            return server.process

        self._begin(Part(store.name, start, log))

    def add_program(self, program: Program, env: dict[str, str]) -> None:
        """Start a program of ours and keep it running."""
        path = self.folder.log(program.name)
        log = LogFile(program.name, path, store=False)
        log.rotate()

        def start() -> "subprocess.Popen[bytes]":
            process = fleet.start(program.argv, path, env)
            self.register.add(program.name, process.pid, "SIGTERM", store=False)
            return process

        self.programs.append(program)
        self._begin(Part(program.name, start, log))

    def run_once(self, name: str, argv: tuple[str, ...], env: dict[str, str]) -> LogFile | None:
        """Run a program to its end; returns its log when it failed, else `None`."""
        log = LogFile(name, self.folder.log(name), store=False)
        log.rotate()
        process = fleet.start(argv, log.path, env)
        self.register.add(name, process.pid, "SIGTERM", store=False)
        try:
            while process.poll() is None:
                self.glance()
                clock.sleep(0.02)
        finally:
            _kill_group(process)
        return log if process.returncode else None

    def run(self) -> None:
        """Look after the children until we are asked to stop."""
        while True:
            try:
                self.glance()
            except StopAsked:
                return
            clock.sleep(_GLANCE_SECONDS)

    def glance(self) -> None:
        """One look at every child; raises `StopAsked` when we were asked to stop."""
        if self.signals:
            raise StopAsked("Stopped before everything had started.")
        for part in list(self.parts.values()):
            for text in part.log.worth_saying():
                self.screen.warn(f"{part.name}: {text}")
            if not part.starting:
                self._keep_running(part)

    def stop(self) -> None:
        """Stop everything in order within 10 s; another Ctrl-C stops without waiting."""
        until = clock.steady() + _ALL_STOPPED_SECONDS
        for turn in sorted({program.stops for program in self.programs}):
            self._stop_programs([p for p in self.programs if p.stops == turn])
        self._stop_stores(max(0.5, until - clock.steady() - 0.5))
        self.folder.stores_file.unlink(missing_ok=True)
        self.register.clear()

    def _begin(self, part: Part) -> None:
        self.parts[part.name] = part
        part.starting = True
        try:
            part.process = part.start()
        finally:
            part.starting = False
        part.started, part.due = clock.steady(), None

    def _keep_running(self, part: Part) -> None:
        """Notice an end, and start again when it is time; a failed start is an end, too."""
        now = clock.steady()
        if part.process is not None and not part.running():
            code = part.process.returncode
            _kill_group(part.process)
            part.process = None
            part.ends += 1
            if now - part.started > _SETTLED_SECONDS:
                part.backoff_seconds = _FIRST_BACKOFF_SECONDS
            self._again(part, f"ended ({_how(code)})")
        elif part.due is not None and now >= part.due:
            try:
                self._begin(part)
            except StopAsked:
                raise
            except (HopfleetError, OSError) as error:
                self._again(part, f"did not start: {error}")
            else:
                self.screen.say(f"{part.name} runs again.")

    def _again(self, part: Part, what: str) -> None:
        self.screen.warn(f"{part.name} {what}; starting it again.")
        part.due = clock.steady() + part.backoff_seconds
        part.backoff_seconds = min(part.backoff_seconds * 2, _MOST_BACKOFF_SECONDS)

    def _record_store(
        self, name: str, process: "subprocess.Popen[bytes]", stop_signal: str
    ) -> None:
        self.register.add(name, process.pid, stop_signal, store=True)

    def _stop_programs(self, programs: list[Program]) -> None:
        running = [part for p in programs if (part := self.parts[p.name]).running()]
        processes = [part.process for part in running if part.process]
        for process in processes:
            process.terminate()
        self._wait(processes, max(program.grace_seconds for program in programs))
        for process in processes:
            _kill_group(process)

    def _stop_stores(self, grace_seconds: float) -> None:
        """All at once; what was acknowledged is on disk, so the last word is SIGKILL."""
        servers = [s for s in self.stores.values() if s.process.poll() is None]
        processes = [server.process for server in servers]
        for turn, seconds in enumerate((grace_seconds, 0.5)):
            for server in servers:
                if server.process.poll() is None:
                    server.process.send_signal(server.stop_signals[turn])
            self._wait(processes, seconds)
        for process in processes:
            process.kill()
            process.wait()

    def _wait(self, processes: list["subprocess.Popen[bytes]"], seconds: float) -> None:
        """Until all have ended, the time is over, or somebody insists with another Ctrl-C."""
        until = clock.steady() + seconds
        while any(process.poll() is None for process in processes):
            if clock.steady() >= until or self.signals > 1:
                return
            clock.sleep(0.02)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End a program and whatever it had started itself; it leads a group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _how(code: int | None) -> str:
    """`exit code 1`, or the signal by its name."""
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
