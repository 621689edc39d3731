"""Who runs on this host for a data folder: each process writes where it can be asked."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from base import identity

FOLDER = "processes"


@dataclass(frozen=True)
class Running:
    """One process of ours, and where it listens."""

    role: str  # ingest, worker or scheduler
    pid: int
    started: float  # see base.identity
    boot: str
    host: str
    admin: str | None = None  # an address; None when it answers nobody
    door: str | None = None  # an ingest process's address
    queues: list[str] = field(default_factory=list)  # a worker's

    @property
    def name(self) -> str:
        """`worker-HOST-12`: no other process that shares the folder has it."""
        return f"{self.role}-{self.host}-{self.pid}"

    def alive(self) -> bool:
        """Whether this very process still runs; of another host's nobody can say."""
        return self.host != platform.node() or identity.alive(self.pid, self.started, self.boot)


def this(role: str, *, admin: str | None, door: str | None, queues: list[str]) -> Running:
    """This process."""
    pid = os.getpid()
    began = identity.started(pid)
    return Running(role, pid, began, identity.boot(), platform.node(), admin, door, queues)


def write(data_dir: Path, running: Running) -> Path:
    """Write it down, whole or not at all; raises OSError. Files of the dead are removed."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for file, other in _read(folder):
        if not other.alive():
            file.unlink(missing_ok=True)
    file = folder / f"{running.name}.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)))
    fresh.replace(file)
    return file


def running(data_dir: Path) -> list[Running]:
    """Those that run, by role and number."""
    found = [other for _, other in _read(data_dir / FOLDER) if other.alive()]
    return sorted(found, key=lambda each: (each.role, each.host, each.pid))


def _read(folder: Path) -> Iterator[tuple[Path, Running]]:
    for file in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, TypeError):  # gone meanwhile, or of another release
            yield file, Running(**json.loads(file.read_text()))
