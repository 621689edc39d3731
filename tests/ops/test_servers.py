"""The embedded servers: what they promise, and what survives `kill -9`."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from base.errors import HopfleetError
from ops.local.servers import Server, start_broker, start_journal, start_postgres


@pytest.fixture
def postgres(folder: Path) -> Iterator[Server]:
    server = start_postgres(folder / "postgres")
    yield server
    server.stop()


@pytest.fixture
def journal(folder: Path) -> Iterator[Server]:
    server = start_journal(folder / "journal")
    yield server
    server.stop()


def client(server: Server) -> Any:
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_a_killed_postgres_comes_back_with_what_was_committed(postgres: Server) -> None:
    with psycopg.connect(postgres.url) as session:
        session.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    postgres.kill()

    again = start_postgres(postgres.folder)

    try:
        assert again.url == postgres.url
        with psycopg.connect(again.url) as session:
            assert session.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    finally:
        again.stop()


def test_the_role_owns_its_database_and_is_no_superuser(postgres: Server) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as session:
        facts = session.execute(
            "SELECT current_user, current_database(), rolsuper, rolcreatedb,"
            " current_setting('listen_addresses'), current_setting('TimeZone')"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        session.execute("CREATE DATABASE another")

    assert facts == ("hopfleet", "hopfleet", False, True, "127.0.0.1", "UTC")


def test_a_stale_pid_file_with_a_strangers_number_stops_no_start(postgres: Server) -> None:
    postgres.kill()
    data = next(postgres.folder.glob("data"))
    lines = (data / "postmaster.pid").read_text().splitlines()
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    again = start_postgres(postgres.folder)

    assert again.process.poll() is None
    again.stop()


def test_a_folder_in_use_is_said(postgres: Server) -> None:
    with pytest.raises(HopfleetError, match="already works in"):
        start_postgres(postgres.folder)


def test_the_journal_is_durable_and_may_be_asked_whether_it_is(journal: Server) -> None:
    asked = client(journal)

    settings = asked.config_get("append*", "no-appendfsync-on-rewrite", "maxmemory-policy")

    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["no-appendfsync-on-rewrite"] == "no"
    assert settings["maxmemory-policy"] == "noeviction"
    assert asked.role()[0] == "master"


def test_a_killed_journal_comes_back_with_every_answered_entry(journal: Server) -> None:
    ids = [client(journal).xadd("clicks", {"n": n}) for n in range(200)]
    journal.kill()

    again = start_journal(journal.folder)

    assert [entry for entry, _ in client(again).xrange("clicks")] == ids
    again.stop()


def test_a_journal_whose_last_entry_was_cut_off_starts_with_the_others(journal: Server) -> None:
    asked = client(journal)
    asked.set("first", "1")
    asked.set("last", "1")
    journal.kill()
    file = next(journal.folder.rglob("*.incr.aof"))
    os.truncate(file, file.stat().st_size - 3)

    again = start_journal(journal.folder)

    assert client(again).exists("first", "last") == 1
    again.stop()


def test_the_broker_forgets_and_the_users_rights_are_few(folder: Path) -> None:
    server = start_broker(folder / "broker")
    asked = client(server)
    asked.set("gone", "soon")
    with pytest.raises(redis.exceptions.NoPermissionError):
        asked.flushall()
    with pytest.raises(redis.exceptions.NoPermissionError):
        asked.config_set("maxmemory", 1)
    assert asked.eval("return redis.call('KEYS', '*')", 0) == ["gone"]
    server.stop()

    again = start_broker(server.folder)

    assert client(again).dbsize() == 0
    again.stop()


def test_passwords_are_private_and_on_no_command_line(folder: Path) -> None:
    server = start_broker(folder / "broker")
    password = (folder / "broker" / "password").read_text()

    argv = psutil.Process(server.process.pid).cmdline()

    assert (folder / "broker" / "password").stat().st_mode & 0o777 == 0o600
    assert password in server.url
    assert password not in " ".join(argv)
    server.stop()


def test_a_wanted_port_that_is_taken_is_said_with_its_number(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(HopfleetError, match=f"Port {port} is taken"):
            start_broker(folder / "broker", port)


def test_last_times_port_is_given_up_when_somebody_else_has_it(folder: Path) -> None:
    first = start_broker(folder / "broker")
    first.stop()
    with socket.create_server(("127.0.0.1", first.port)):
        second = start_broker(folder / "broker")

    assert second.port != first.port
    second.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another user")
def test_root_runs_postgres_even_where_only_root_may_go(folder: Path) -> None:
    folder.chmod(0o700)

    server = start_postgres(folder / "postgres")

    assert psutil.Process(server.process.pid).uids().real != 0
    assert (folder / "postgres" / "moved-to").exists()
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another user")
def test_data_that_lived_elsewhere_and_is_gone_is_said(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "moved-to").write_text(str(folder / "gone"))

    with pytest.raises(HopfleetError, match="which is gone"):
        start_postgres(folder / "postgres")
