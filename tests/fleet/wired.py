"""A fleet of which everything can be spoiled: wires with proxies, stores that take orders.

Each pair of part and store has a proxy between them. Journal and broker have an administrator
besides the fleet's user, and where root runs the spool has a small disk of its own.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import redis

from ops.local import valkey
from ops.local.server import QUIET, Server
from tests.fleet.fleet import STORES, Fleet
from tests.fleet.proxy import Proxy
from tests.fleet.wires import PostgresWatch, RedisWatch

# Wire → the programs at its near end (none: all the others), the store at its far end, the setting.
WIRES = {
    "door-journal": (("ingest",), "journal", "JOURNAL_URL"),
    "worker-journal": (("worker", "relief"), "journal", "JOURNAL_URL"),
    "worker-postgres": (("worker", "relief"), "postgres", "DATABASE_URL"),
    "broker": ((), "broker", "REDIS_URL"),
}
SPOOL_DISK = "256m"
_MIB = 256
_ADMIN = "\nenable-debug-command local\nuser admin on nopass ~* &* +@all\n"


def _journal(folder: Path, port: int = 0) -> Server:
    lines = valkey._DURABLE + _ADMIN
    return valkey._start("journal", "JOURNAL_URL", lines, _MIB, folder, port, None, QUIET)


def _broker(folder: Path, port: int = 0) -> Server:
    lines = valkey._VOLATILE + _ADMIN
    return valkey._start("broker", "REDIS_URL", lines, _MIB, folder, port, None, QUIET)


def start_volatile(folder: Path, port: int) -> Server:
    """A server that keeps nothing, in the place of a journal that runs no more."""
    return _broker(folder, port)


class Wired(Fleet):
    """Like `Fleet`; `wires` has the proxies by name."""

    starters: ClassVar[dict[str, Callable[..., Server]]] = {
        **STORES,
        "journal": _journal,
        "broker": _broker,
    }

    def _before_programs(self) -> None:
        self.wires: dict[str, Proxy] = {}
        for name, (_, store, _) in WIRES.items():
            watch = PostgresWatch if store == "postgres" else RedisWatch
            self.wires[name] = Proxy(self.stores[store].port, watch)
        self.spool = self.folder / "data" / "spool"
        self.spool.mkdir(parents=True)
        if os.geteuid() == 0:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={SPOOL_DISK}", "tmpfs", str(self.spool)],
                capture_output=True,
            )

    def _environment(self, name: str) -> dict[str, str]:
        found = super()._environment(name)
        for wire, (programs, _, setting) in WIRES.items():
            if not programs or name in programs:
                url = urlsplit(found[f"HOPFLEET_{setting}"])
                near = f"{url.netloc.rpartition(':')[0]}:{self.wires[wire].port}"
                found[f"HOPFLEET_{setting}"] = url._replace(netloc=near).geturl()
        return found

    def admin(self, store: str) -> "redis.Redis":
        """A connection to journal or broker that may do anything."""
        port = self.stores[store].port
        return redis.Redis(port=port, username="admin", password="any", socket_timeout=10)

    @property
    def has_spool_disk(self) -> bool:
        """Whether the spool's disk is its own, so that it may be filled."""
        return self.spool.is_mount()

    def end(self) -> None:
        """End everything by pid, the proxies last, and remove the folder."""
        for program in self.programs.values():
            program.end()
        if hasattr(self, "spool") and self.has_spool_disk:
            subprocess.run(["umount", str(self.spool)], capture_output=True)
        super().end()
        for wire in getattr(self, "wires", {}).values():
            wire.end()
