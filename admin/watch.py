"""What one process shows of itself: whether its parts live, and its numbers."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson
import prometheus_client
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from admin import processes
from admin.lookout import Lookout
from admin.numbers import gauges
from admin.server import AdminServer, Page, Pages, listen
from base.logs import log
from base.settings import Settings

# Why a part does not live, or None.
Check = Callable[[], str | None]
Collect = Callable[[], Iterable[Metric]]


class Watch:
    """Add parts, numbers and lookouts; `open` answers who asks, `close` ends that."""

    def __init__(self, chosen: Settings, role: str) -> None:
        self._chosen = chosen
        self._role = role
        self._parts: dict[str, Check] = {}
        self._numbers: list[Collect] = [self._build, _PROCESS.collect]
        self._lookouts: list[Lookout[Any]] = []
        self._server: AdminServer | None = None
        self._file: Path | None = None

    def part(self, name: str, check: Check) -> None:
        """Something without which this process is better restarted."""
        self._parts[name] = check

    def numbers(self, collect: Collect) -> None:
        """Families for `/metrics`; what raises is left out and logged."""
        self._numbers.append(collect)

    def lookout(self, lookout: "Lookout[Any]") -> None:
        """A thread that runs as long as this does."""
        self._lookouts.append(lookout)

    def open(self, *, door: str | None = None, queues: Iterable[str] = ()) -> None:
        """Answer from now on, and write down where; never raises: the work goes first."""
        address = self._listen() if self._chosen.admin_enabled else None
        try:
            mine = processes.this(self._role, admin=address, door=door, queues=list(queues))
            self._file = processes.write(self._chosen.data_dir, mine)
        except OSError as error:
            log().warning("process.unlisted", reason=str(error))

    def _listen(self) -> str | None:
        host = self._chosen.admin_host
        pages: Pages = {"/livez": self.livez, "/metrics": self.metrics}
        try:
            self._server = listen(host, self._chosen.admin_port, pages)
        except OSError as error:
            log().error("admin.closed", host=host, reason=error.strerror or str(error))
            return None
        for lookout in self._lookouts:
            lookout.start()
        self._server.start()
        log().info("admin.opened", port=self._server.port)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.port}"

    def close(self) -> None:
        """Answer no more, and take the note away."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        if self._server is not None:
            self._server.stop()
        for lookout in self._lookouts:
            lookout.stop()

    def livez(self, _: str) -> Page:
        """200 while every part lives, else 503 and which does not."""
        dead = {name: why for name, check in self._parts.items() if (why := check()) is not None}
        said = {"status": "not alive" if dead else "alive", "parts": dead}
        return Page(503 if dead else 200, "application/json", orjson.dumps(said))

    def metrics(self, accept: str) -> Page:
        """All numbers, in the format that was asked for."""
        encode, content_type = choose_encoder(accept)
        return Page(200, content_type, encode(self))

    def collect(self) -> Iterator[Metric]:
        """All families; what cannot be told now is missing."""
        for collect in self._numbers:
            try:
                yield from list(collect())
            except Exception:
                log().exception("metrics.failed")

    def _build(self) -> Iterator[Metric]:
        labels = (self._role, _version(), platform.python_version())
        yield gauges(
            "hopfleet_build_info",
            "What runs here; the value is always 1.",
            ("process", "version", "python"),
            {labels: 1},
        )


# Memory, processor time and open files, as every Prometheus library tells them.
_PROCESS = prometheus_client.ProcessCollector(pid=os.getpid, registry=None)


def _version() -> str:
    try:
        return metadata.version("hopfleet")
    except metadata.PackageNotFoundError:
        return "unknown"
