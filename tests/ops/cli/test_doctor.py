"""`hopfleet doctor`: what is well, what is not, and what to do about it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from base.settings import settings
from db import processes
from db.held import dead_item, hold
from ops.cli import doctor_host, doctor_work
from ops.cli.doctor_database import clock
from ops.cli.findings import Status
from ops.local.ports import free_port
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run, Said

Set = Callable[..., None]


@pytest.fixture
def set_(monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    """Sets settings, for this test."""

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"HOPFLEET_{name.upper()}", value)
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


def found(said: Said) -> dict[str, tuple[str, str]]:
    return {one["check"]: (one["status"], one["says"]) for one in said.json["checks"]}


def test_a_sound_fleet_is_told_to_be_sound(
    run: Run, connect: Connect, journal_url: str, redis_url: str
) -> None:
    processes.seen(connect(), "test", "scheduler", [])

    said = run("doctor", "--json")

    assert [one for one in said.json["checks"] if one["status"] == "broken"] == []
    assert (said.code, said.json["ok"]) == (0, True)
    assert {
        "PostgreSQL", "PostgreSQL clock", "sessions", "tables", "partitions", "ledger",
        "journal", "journal on disk", "journal clock", "broker", "work", "spool",
        "spool's disk", "spooled events", "scheduler", "workers", "broker's server",
        "public address", "secret key", "countries",
    } <= found(said).keys()  # fmt: skip
    assert all(one["says"].endswith(".") for one in said.json["checks"])
    for_people = run("doctor")
    assert "✓" in for_people.out
    assert "!" in for_people.out  # no public address is set


def test_stores_that_are_away_are_told_one_by_one(
    run_anywhere: Run, set_: Set, tmp_path: Path
) -> None:
    nowhere = f"localhost:{free_port()}"
    set_(
        database_url=f"postgresql://u:secret@{nowhere}/x",
        journal_url=f"redis://:secret@{nowhere}/0",
        geo_file=str(tmp_path / "missing.mmdb"),
    )

    said = run_anywhere("doctor", "--json")

    told = found(said)
    assert (said.code, said.json["ok"]) == (1, False)
    for name in ("PostgreSQL", "journal", "work", "countries"):
        assert told[name][0] == "broken"
    assert "HOPFLEET_DATABASE_URL" in told["PostgreSQL"][1]
    assert "secret" not in told["PostgreSQL"][1] + told["journal"][1]
    assert told["spool"][0] == "ok"


def test_a_database_without_tables_wants_to_be_migrated(
    run_anywhere: Run, set_: Set, scratch: str, journal_url: str, redis_url: str
) -> None:
    set_(database_url=scratch)

    told = found(run_anywhere("doctor", "--json"))

    assert told["tables"][0] == "broken"
    assert "hopfleet migrate" in told["tables"][1]


def test_older_tables_and_missing_partitions_are_told(
    run: Run, database: str, journal_url: str, redis_url: str
) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        newest = session.execute("SELECT version_num FROM alembic_version").fetchone()
        assert newest is not None
        session.execute("UPDATE alembic_version SET version_num = '0005'")
        try:
            older = found(run("doctor", "--json"))
        finally:
            session.execute("UPDATE alembic_version SET version_num = %s", newest)
        name = session.execute(
            "SELECT 'analytics_events_' || to_char(now() + interval '1 month', 'YYYY_MM')"
        ).fetchone()
        assert name is not None
        session.execute(f"DROP TABLE {name[0]}")
    lacking = found(run("doctor", "--json"))
    run("migrate")
    mended = found(run("doctor", "--json"))

    assert f"not {newest[0]}: run `hopfleet migrate`" in older["tables"][1]
    assert (lacking["partitions"][0], mended["partitions"][0]) == ("broken", "ok")


def test_a_journal_that_forgets_is_broken_unless_permitted(
    run: Run, set_: Set, redis_url: str
) -> None:
    set_(journal_url=redis_url)
    refused = run("doctor", "--json")
    set_(allow_volatile_redis="1")
    permitted = run("doctor", "--json")

    assert found(refused)["journal on disk"][0] == "broken"
    assert "appendonly is no" in found(refused)["journal on disk"][1]
    assert refused.code == 1
    assert found(permitted)["journal on disk"][0] == "warning"


def test_dead_letters_are_told(run: Run, connect: Connect, journal_url: str) -> None:
    hold(connect(), [dead_item("clicks", make.batch_id(), 0, {}, "test")])

    told = {one.check: one for one in doctor_work.check()}

    assert told["dead letters"].status == Status.WARNING


@pytest.mark.parametrize(
    ("seconds", "status"), [(0.2, "ok"), (-4.9, "ok"), (5.1, "warning"), (-60.0, "warning")]
)
def test_a_clock_may_differ_by_five_seconds(seconds: float, status: str) -> None:
    assert clock("clock", seconds).status == status


def test_settings_that_are_made_are_praised(set_: Set) -> None:
    set_(public_url="https://go.example.com", secret_key="x" * 40)

    told = {one.check: one.status for one in doctor_host.check_settings()}

    assert (told["public address"], told["secret key"]) == (Status.OK, Status.OK)


def test_what_waits_in_the_spool_and_where_it_lies_is_told(set_: Set, tmp_path: Path) -> None:
    fleeting = Path("/dev/shm") if os.path.isdir("/dev/shm") else tmp_path
    (tmp_path / "door").mkdir()
    (tmp_path / "door" / "00000001.seg").write_bytes(b"x" * 2_000_000)
    set_(spool_dir=str(tmp_path))
    waiting = {one.check: one for one in doctor_host.check_spool()}
    set_(spool_dir=str(fleeting / "hopfleet-doctor" / "spool"))
    in_memory = {one.check: one for one in doctor_host.check_spool()}

    assert waiting["spooled events"].status == Status.WARNING
    assert "1.9 MiB" in waiting["spooled events"].says
    if fleeting != tmp_path:
        assert in_memory["spool's disk"].status == Status.WARNING
    assert not (fleeting / "hopfleet-doctor").exists()  # looking changes nothing


def test_a_spool_that_cannot_be_written_to_is_broken(set_: Set, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    set_(spool_dir=str(tmp_path / "file"))

    [told] = doctor_host.check_spool()

    assert told.status == Status.BROKEN


def test_the_journal_tells_its_version(journal_url: str) -> None:
    from journal import facts

    told = facts.ask(journal_url, 3.0)

    with redis.Redis.from_url(journal_url) as client:
        assert ".".join(map(str, told.version)) == client.info("server")["valkey_version"]
    assert (told.product, told.doubt) == ("Valkey", None)


def test_a_private_network_that_users_may_call_is_warned_of(run: Run, set_: Set) -> None:
    usual = found(run("doctor", "--json"))["calls"]
    set_(call_private="10.0.0.0/8, 192.168.1.0/24")

    status, says = found(run("doctor", "--json"))["calls"]

    assert usual[0] == "ok"
    assert status == "warning"
    assert "10.0.0.0/8, 192.168.1.0/24" in says
