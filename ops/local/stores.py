"""The three stores of `up`: embedded ones, except where a setting names one elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from base.settings import Settings
from ops.local.folder import DataFolder, write_private
from ops.local.postgres import start_postgres
from ops.local.server import Hooks, Server
from ops.local.valkey import start_broker, start_journal

# Sessions beside the pools: command lines, a dashboard, a person with psql.
_SPARE_SESSIONS = 30

Start = Callable[[int, Hooks], Server]  # port (0 picks one), hooks


@dataclass(frozen=True)
class Store:
    """An embedded store: what setting it stands in for, and how it is started."""

    name: str
    title: str
    setting: str
    start: Start


def embedded(chosen: Settings, folder: DataFolder, sessions: int) -> list[Store]:
    """The stores that this `up` must run itself, in the order of starting.

    `sessions` is how many database sessions all of ours together may open.
    """

    def place(name: str) -> tuple[Path, Path]:
        return folder.path / name, folder.log(name)

    def postgres(port: int, hooks: Hooks) -> Server:
        path, log = place("postgres")
        return start_postgres(
            path, port, log=log, connections=sessions + _SPARE_SESSIONS, hooks=hooks
        )

    def journal(port: int, hooks: Hooks) -> Server:
        path, log = place("journal")
        return start_journal(path, port, log=log, hooks=hooks)

    def broker(port: int, hooks: Hooks) -> Server:
        path, log = place("broker")
        return start_broker(path, port, log=log, hooks=hooks)

    stores = []
    if chosen.database_url is None:
        stores.append(Store("postgres", "PostgreSQL", "database_url", postgres))
    if chosen.journal_url is None and chosen.redis_url is None:
        stores.append(Store("journal", "the journal", "journal_url", journal))
    if chosen.redis_url is None and chosen.broker_url is None:
        stores.append(Store("broker", "broker and cache", "redis_url", broker))
    return stores


def addresses(chosen: Settings, servers: dict[str, Server]) -> dict[str, str]:
    """The addresses of all stores by setting; `servers` are the embedded ones by setting."""
    outside = {
        "database_url": chosen.database_url,
        "journal_url": chosen.journal_url or chosen.redis_url,
        "redis_url": chosen.redis_url,
        "broker_url": chosen.broker_url,
    }
    found = {name: value.get_secret_value() for name, value in outside.items() if value}
    return found | {setting: server.url for setting, server in servers.items()}


def publish(folder: DataFolder, found: dict[str, str]) -> None:
    """Let commands in other shells find the stores, and this process's own settings too."""
    write_private(folder.stores_file, orjson.dumps(found).decode())
