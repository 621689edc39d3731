"""Real servers for tests: embedded ones, in a temporary folder, started when first asked for."""

import shutil
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from db import migrations
from ops.local.servers import Server, forget, start_broker, start_journal, start_postgres

TEMPLATE = "migrated"


class Servers:
    """What one test run, or one process of it, has started; `stop` ends it all."""

    def __init__(self) -> None:
        self._running: list[Server] = []

    @cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="hopfleet-tests-"))
        folder.chmod(0o755)  # PostgreSQL does not run as root and has to get in
        return folder

    def _start(self, name: str, start: Callable[[Path], Server]) -> str:
        server = start(self._folder / name)
        self._running.append(server)
        return server.url

    @cached_property
    def postgres(self) -> str:
        """The address of a PostgreSQL that has a migrated database to clone."""
        address = self._start("postgres", start_postgres)
        create_database(address, TEMPLATE, template="template0")
        migrations.upgrade(of_database(address, TEMPLATE))
        return address

    @cached_property
    def journal(self) -> str:
        """The address of a Valkey that is on disk before it answers."""
        return self._start("journal", start_journal)

    @cached_property
    def broker(self) -> str:
        """The address of a Valkey that keeps nothing."""
        return self._start("broker", start_broker)

    def stop(self) -> None:
        """End what runs and remove its folders."""
        for server in self._running:
            server.stop()
            forget(server.folder)
        if "_folder" in self.__dict__:
            shutil.rmtree(self._folder, ignore_errors=True)


def of_database(address: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlsplit(address)._replace(path="/" + quote(name)).geturl()


def create_database(address: str, name: str, template: str = TEMPLATE) -> str:
    """A new database made from another one; returns its address."""
    with psycopg.connect(address, autocommit=True) as session:
        session.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return of_database(address, name)


def drop_database(address: str, name: str) -> None:
    """Drop a database, whoever is still connected to it.

    Not WITH (FORCE): that wants a right to end autovacuum's processes too, which an owner of
    databases lacks; without it PostgreSQL sends them away by itself.
    """
    with psycopg.connect(address, autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND usename = current_user",
            [name],
        )
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
