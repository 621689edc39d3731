"""A whole Hopfleet in a temporary folder, each part killable and restartable by its name."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import psycopg
import redis
from psycopg.rows import TupleRow

from db import keys
from db.connection import Tx
from journal.spool import waiting_bytes
from journal.streams import GROUP, Kind, stream
from ops.local.ports import free_port
from ops.local.servers import Server, forget, start_broker, start_journal, start_postgres
from tests import make
from tests.fleet.program import ROOT, Program, until

STORES = {"postgres": start_postgres, "journal": start_journal, "broker": start_broker}
PROGRAMS = {
    "ingest": ("ingest",),
    "worker": ("worker", "clicks", "conversions"),
    "upkeep": ("worker", "webhooks", "bonuses", "workflows", "content", "products", "maintenance"),
    "scheduler": ("scheduler",),
}
# Started only by tests that need them.
STANDBY = {
    "relief": ("worker", "clicks", "conversions"),
    "single": ("worker", "clicks", "conversions", "--threads", "1"),
}


class Answer(NamedTuple):
    """What a door said; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def click_id(self) -> str | None:
        """The id that promises the event is on disk."""
        return self.headers.get("x-click-id")


class Fleet:
    """Stores and programs; `end` leaves nothing behind."""

    starters: ClassVar[dict[str, Callable[..., Server]]] = {**STORES}

    def __init__(self, **settings: str) -> None:
        """`settings` are more of `HOPFLEET_…`; a broker's address there stands for our own."""
        self._settings = {f"HOPFLEET_{name.upper()}": value for name, value in settings.items()}
        self.folder = Path(tempfile.mkdtemp(prefix="hopfleet-fleet-"))
        self.folder.chmod(0o711)  # root's PostgreSQL, an unprivileged user, passes through
        self.port = free_port()
        self.stores: dict[str, Server] = {}
        self.programs: dict[str, Program] = {}
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        for name, start in self.starters.items():
            if name != "broker" or "HOPFLEET_BROKER_URL" not in self._settings:
                self.stores[name] = start(self.folder / name)
        self._before_programs()
        migration = Program("migrate", ("migrate",), self._environment("migrate"), self.folder)
        migration.start()
        assert migration.wait(60) == 0, migration.said(0)
        for name, words in {**PROGRAMS, **STANDBY}.items():
            self.programs[name] = Program(name, words, self._environment(name), self.folder)
        self.start(*PROGRAMS)

    def _before_programs(self) -> None:
        """The stores stand; for fleets that put something between them and the programs."""

    def _bare_environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HOPFLEET_") or name == "HOPFLEET_PG_BINDIR"
        }
        return kept | {"HOPFLEET_DATA_DIR": str(self.folder / "data")}

    def _environment(self, name: str) -> dict[str, str]:
        """What a program finds in its environment."""
        kept = self._bare_environment()
        if "broker" in self.stores:
            kept["HOPFLEET_REDIS_URL"] = self.stores["broker"].url
        return {
            **kept,
            "HOPFLEET_DATABASE_URL": self.stores["postgres"].url,
            "HOPFLEET_JOURNAL_URL": self.stores["journal"].url,
            "HOPFLEET_PORT": str(self.port),
            **self._settings,
        }

    def url(self, store: str) -> str:
        """The address of a store."""
        return self.stores[store].url

    # --- processes

    def pid(self, name: str) -> int:
        """The process id of a store or program."""
        return self.stores[name].process.pid if name in STORES else self.programs[name].pid

    def kill(self, *names: str) -> None:
        """`kill -9`, one after the other; each is gone at the end."""
        for name in names:
            if name in STORES:
                self.stores[name].kill()
            else:
                self.programs[name].kill()

    def start(self, *names: str, environment: Mapping[str, str] | None = None) -> None:
        """Start what does not run, on the same folder and port, and wait until it says so."""
        said = {name: len(self.programs[name].said(0)) for name in names if name in self.programs}
        for name in names:
            if name in STORES:
                port = self.stores[name].port
                self.stores[name] = self.starters[name](self.folder / name, port)
            else:
                self.programs[name].start(environment)
        for name, since in said.items():
            says = partial(self.programs[name].says, ".started", since)
            until(says, 30, f"{name} starts")

    @contextmanager
    def joined_by(
        self,
        *,
        inside: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        **programs: tuple[str, ...],
    ) -> Iterator[None]:
        """More programs, by name and words, while the block lasts; `inside` as `Program` has it."""
        for name, words in programs.items():
            found = self._environment(name) | dict(environment or {})
            self.programs[name] = Program(name, words, found, self.folder, inside=inside)
        try:
            self.start(*programs)
            yield
        finally:
            for name in programs:
                self.programs.pop(name).end()

    def restart(self, name: str) -> None:
        """`kill -9` and start again."""
        self.kill(name)
        self.start(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a store or program."""
        os.kill(self.pid(name), number)

    def end(self) -> None:
        """End everything by pid and remove the folder."""
        for program in self.programs.values():
            program.end()
        for server in self.stores.values():
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
            server.stop(10)
            forget(server.folder)
        forget(self.folder)

    def ready(self) -> bool:
        """Whether the doors say that no store is missing."""
        return self.ask("GET", "/readyz").status == 200

    def until_ready(self, seconds: float = 15) -> float:
        """Wait until the doors say that no store is missing."""
        return until(self.reached_and_ready, seconds, "the doors are ready")

    def reached_and_ready(self) -> bool:
        """Like `ready`; False while nobody listens."""
        try:
            return self.ready()
        except (OSError, HTTPException):
            return False

    def hopfleet(self, *words: str) -> str:
        """Run a command of ours to its end; returns what it printed. Raises when it failed."""
        done = self.python("-m", "ops", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a Python program against this fleet to its end, however that is."""
        return subprocess.run(
            [sys.executable, *words], env=self._environment("operator"), cwd=ROOT,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    # --- doors

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            # A door that refuses a body by its size answers before it has read all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, body, dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def click(self, tracking_id: str, query: str = "") -> Answer:
        """Follow a tracking link."""
        return self.ask("GET", f"/r/{tracking_id}" + (f"?{query}" if query else ""))

    # --- tables

    def connect(self) -> Tx:
        """A plain psycopg session in autocommit, as another application has it."""
        return psycopg.connect(self.url("postgres"), autocommit=True)

    def sql(self, statement: str, *values: Any) -> list[TupleRow]:
        """One statement in a session of its own; its rows, if it has any."""
        with self.connect() as session:
            done = session.execute(statement, values)
            return done.fetchall() if done.description else []

    def user(self, **columns: Any) -> make.Made:
        """A new user."""
        with self.connect() as session:
            return make.user(session, **columns)

    def campaign(self, **columns: Any) -> make.Made:
        """A new active campaign, of a new user unless one is given."""
        name = f"fleet{os.urandom(5).hex()}"
        with self.connect() as session:
            if "user_id" not in columns:
                columns["user_id"] = make.user(session, email=f"{name}@example.com")["id"]
            return make.campaign(session, **{"tracking_id": name, **columns})

    def key(self, user_id: Any) -> dict[str, str]:
        """Headers with a new API key of this user."""
        with self.connect() as session:
            return {"Authorization": f"Bearer {keys.add(session, user_id, 'test')[1]}"}

    def stored(self, user_id: Any) -> list[str]:
        """The click ids of all of a user's rows, each as often as it stands there."""
        return [
            row[0]
            for row in self.sql(
                "SELECT metadata->>'click_id' FROM analytics_events WHERE user_id = %s", user_id
            )
        ]

    def dead(self, user_id: Any = None) -> list[tuple[str, str]]:
        """(reason, error) of the dead letters, of one user or of all."""
        return [
            (row[0], row[1])
            for row in self.sql(
                "SELECT reason, last_error FROM held_events WHERE state = 'dead'"
                " AND (%s::uuid IS NULL OR user_id = %s) ORDER BY id",
                user_id,
                user_id,
            )
        ]

    @contextmanager
    def rows_blocked(self) -> Iterator[None]:
        """Nobody can write events, for at most the three seconds a drain waits for a lock."""
        with self.connect() as session:
            session.execute("BEGIN")
            session.execute("LOCK TABLE analytics_events IN SHARE MODE")
            yield
            session.execute("ROLLBACK")

    def blocked_writers(self, name: str) -> int:
        """Transactions of a worker that wait for a lock right now."""
        return int(
            self.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND application_name LIKE %s", f"%-{self.pid(name)}-%",
            )[0][0]
        )  # fmt: skip

    def transactions(self, name: str) -> int:
        """Transactions of drains that a worker has open right now."""
        return int(
            self.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle'"
                " AND application_name LIKE %s", f"%-{self.pid(name)}-%",
            )[0][0]
        )  # fmt: skip

    # --- the journal

    def journal(self) -> "redis.Redis":
        """A connection to the journal."""
        return redis.Redis.from_url(self.url("journal"), socket_timeout=5)

    def batches(self) -> int:
        """Batches in the journal, claimed or not."""
        with self.journal() as connection:
            return sum(int(connection.xlen(stream(kind))) for kind in Kind)

    def claimed(self, pid: int | None = None) -> int:
        """Batches that somebody, or the worker with this pid, has claimed and not acknowledged."""
        count = 0
        with self.journal() as connection:
            for kind in Kind:
                try:
                    found: Any = connection.xpending(stream(kind), GROUP)
                except redis.ResponseError:  # nobody has claimed anything of this kind yet
                    continue
                count += sum(
                    int(each["pending"])
                    for each in found["consumers"] or ()
                    if pid is None or f"-{pid}-" in each["name"].decode()
                )
        return count

    def until_drained(self, seconds: float = 30) -> float:
        """Wait until journal, spools and deferred rows are empty."""
        return until(self._drained, seconds, "everything is stored")

    def _drained(self) -> bool:
        if waiting_bytes(self.folder / "data" / "spool") or self.batches():
            return False
        waiting = self.sql("SELECT count(*) FROM held_events WHERE state IN ('pending', 'running')")
        return bool(waiting[0][0] == 0)
