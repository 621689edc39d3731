"""`hopfleet doctor` looks at real servers in the states it is there to find."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from base.clock import sleep, steady
from base.settings import settings
from db import controls, processes, purges
from db.controls import PAUSED
from db.held import dead_item, hold
from ops.cli import (
    doctor_bonuses,
    doctor_broker,
    doctor_database,
    doctor_host,
    doctor_payments,
    doctor_redis,
    doctor_work,
    doctor_workflows,
)
from ops.cli.doctor import BUDGET_SECONDS
from ops.cli.findings import Finding, Status
from ops.local import valkey
from ops.local.ports import free_port
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run
from tests.workers import buying

SOUND = (
    "--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no",
    "--maxmemory-policy", "noeviction", "--maxmemory", "64mb",
)  # fmt: skip

Set = Callable[..., None]
Start = Callable[..., "Running"]


class Running:
    """A Valkey of a test's own, set up as it likes."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = subprocess.Popen(
            [str(valkey._program("HOPFLEET_JOURNAL_URL")), "--port", str(self.port),
             "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        end = steady() + 10
        while not self._answers():
            assert steady() < end
            sleep(0.01)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a Valkey with the options given."""
    running: list[Running] = []

    def begin(*options: str) -> Running:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        running.append(Running(folder, *options))
        return running[-1]

    yield begin
    for one in running:
        one.end()


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


def told(check: Callable[[], Iterator[Finding]], name: str) -> list[Finding]:
    return [one for one in check() if one.check == name]


def test_every_way_of_a_journal_to_forget_is_found(start: Start, set_: Set) -> None:
    journal = start(*SOUND)
    set_(journal_url=journal.url)
    ways = {
        "appendfsync": "everysec", "no-appendfsync-on-rewrite": "yes",
        "maxmemory-policy": "allkeys-lru", "appendonly": "no",
    }  # fmt: skip
    [sound] = told(doctor_redis.check_journal, "journal on disk")
    found = {}
    with redis.Redis.from_url(journal.url) as client:
        for name, value in ways.items():
            [before] = client.config_get(name).values()
            client.config_set(name, value)
            [found[name]] = told(doctor_redis.check_journal, "journal on disk")
            client.config_set(name, before)

    assert sound.status == Status.OK
    for name, value in ways.items():
        assert found[name].status == Status.BROKEN
        assert f"{name} is {value}" in found[name].says


def test_a_replica_is_no_journal(start: Start, set_: Set) -> None:
    master = start(*SOUND)
    replica = start(*SOUND, "--replicaof", f"127.0.0.1 {master.port}")
    set_(journal_url=replica.url)

    [found] = told(doctor_redis.check_journal, "journal on disk")

    assert found.status == Status.BROKEN
    assert "replica" in found.says


def test_a_broker_that_is_the_journal_evicts_or_has_no_bound_is_told(
    start: Start, set_: Set
) -> None:
    both, loose = start(*SOUND), start("--maxmemory-policy", "allkeys-lru")
    set_(journal_url=both.url, broker_url=both.url)
    same = told(doctor_broker.check, doctor_broker.NAME)
    set_(broker_url=loose.url)
    unbound = told(doctor_broker.check, doctor_broker.NAME)

    assert [one.status for one in same + unbound] == [Status.WARNING] * 3
    assert "It is the journal's" in same[0].says
    assert "allkeys-lru" in unbound[0].says
    assert "no maxmemory" in unbound[1].says


def test_too_few_sessions_are_told(run: Run, set_: Set) -> None:
    set_(pool_max="500")

    [found] = told(doctor_database.check, "sessions")

    assert found.status == Status.WARNING
    assert "raise max_connections" in found.says


def test_work_that_nobody_looks_at_is_broken(run: Run, connect: Connect, journal_url: str) -> None:
    session = connect()
    purges.mark(session, "user", make.user(session)["id"])
    alone = {one.check: one for one in doctor_work.check()}
    processes.seen(session, "w", "worker", ["maintenance"])
    processes.seen(session, "s", "scheduler", [])
    attended = {one.check: one.status for one in doctor_work.check()}

    assert (alone["workers"].status, alone["scheduler"].status) == (Status.BROKEN,) * 2
    assert "start `hopfleet worker maintenance`" in alone["workers"].says
    assert (attended["workers"], attended["scheduler"]) == (Status.OK,) * 2


def test_a_queue_paused_for_long_with_work_is_told(
    run: Run, connect: Connect, journal_url: str
) -> None:
    session = connect()
    purges.mark(session, "user", make.user(session)["id"])
    controls.set_state(session, "maintenance", PAUSED)
    [fresh] = told(doctor_work.check, "paused")
    session.execute("UPDATE queue_controls SET since = now() - '1 hour'::interval")
    [long] = told(doctor_work.check, "paused")

    assert (fresh.status, long.status) == (Status.OK, Status.WARNING)
    assert "`hopfleet queues resume maintenance`" in long.says


def test_payments_that_a_person_must_look_at_are_told(run: Run, connect: Connect) -> None:
    session = connect()
    order = make.order(session, make.user(session)["id"])
    make.receipt(session, order)
    before = list(doctor_payments.check())
    make.receipt(session, order, flags=["no_rate"], revenue=None, currency="EUR")
    after = list(doctor_payments.check())

    assert [one.status for one in before + after] == [Status.OK, Status.WARNING]
    assert "1 unattributed" in before[0].says
    assert "`hopfleet rates import`" in after[0].says


def test_mails_that_nobody_can_send_are_told(
    run: Run, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = connect()
    campaign = make.campaign(session)
    make.bonus(session, campaign["id"])
    before = list(doctor_bonuses.check())
    buying.sell(campaign)
    session.execute("UPDATE bonus_deliveries SET next_attempt_at = now() - interval '1 hour'")
    after = list(doctor_bonuses.check())
    monkeypatch.setitem(os.environ, "HOPFLEET_SMTP_URL", "mail.example.com:secret")
    settings.cache_clear()
    wrong = next(doctor_bonuses.check())
    settings.cache_clear()

    assert [one.status for one in before] == [Status.OK]
    assert [one.status for one in after] == [Status.BROKEN, Status.WARNING]
    assert "HOPFLEET_SMTP_URL" in after[0].says
    assert "secret" not in wrong.says


def test_dead_letters_of_the_last_hour_are_told_apart(
    run: Run, connect: Connect, journal_url: str
) -> None:
    session = connect()
    hold(session, [dead_item("clicks", make.batch_id(), 0, {}, "test") for _ in range(3)])
    session.execute(
        "UPDATE held_events SET created_at = now() - '2 hours'::interval"
        " WHERE id = (SELECT min(id) FROM held_events)"
    )

    [found] = told(doctor_work.check, "dead letters")

    assert found.says.startswith("3 could not be done, 2 of them came in the last hour")


def test_spools_that_nobody_looks_after_and_damaged_ones_are_told(
    set_: Set, tmp_path: Path
) -> None:
    for name in ("gone", "alive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
        (tmp_path / name / "00000001.seg").write_bytes(b"x")
    (tmp_path / "gone" / "00000002.damaged").write_bytes(b"x")
    set_(spool_dir=str(tmp_path))

    held = os.open(tmp_path / "alive" / "lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    found = {one.check: one for one in doctor_host.check_spool()}
    os.close(held)

    assert found["spool folders"].says.startswith("1 with events")
    assert "00000002.damaged" in found["damaged segments"].says
    assert (tmp_path / "gone" / "00000001.seg").exists()


def test_frozen_stores_cost_three_seconds_in_all(
    run_anywhere: Run, start: Start, set_: Set
) -> None:
    frozen = start(*SOUND)
    set_(
        journal_url=frozen.url, broker_url=frozen.url,
        database_url=f"postgresql://u:p@127.0.0.1:{frozen.port}/x",
    )  # fmt: skip
    run_anywhere("doctor", "--json")  # whatever is loaded once is loaded now
    os.kill(frozen.process.pid, signal.SIGSTOP)

    began = steady()
    said = run_anywhere("doctor", "--json")

    assert steady() - began < 2 * BUDGET_SECONDS
    broken = {one["check"] for one in said.json["checks"] if one["status"] == "broken"}
    assert {"PostgreSQL", "journal", "work"} <= broken


def test_workflows_that_are_late_paused_or_failing_are_told(run: Run, connect: Connect) -> None:
    session = connect()
    owner = make.user(session)["id"]
    late, paused, failing = (
        make.workflow(session, owner, status="active", trigger_type="scheduled")["id"]
        for _ in range(3)
    )
    session.execute(
        "UPDATE workflows SET next_run_at = now() - interval '5 min' WHERE id = %s", (late,)
    )
    session.execute("UPDATE workflows SET status = 'paused' WHERE id = %s", (paused,))
    session.execute(
        "UPDATE workflow_states SET problem = 'no such zone' WHERE workflow_id = %s", (paused,)
    )
    session.execute("UPDATE workflow_states SET failures = 4 WHERE workflow_id = %s", (failing,))

    found = list(doctor_workflows.check())

    assert [one.status for one in found] == ["broken", "warning", "warning"]
    assert "nobody fires it" in found[0].says
    assert "1 is paused because of a problem" in found[1].says
    assert "4 times in a row" in found[2].says
    assert "1 paused with a problem, 1 failing, 4 times in a row at most, one due for" in (
        doctor_workflows.words()
    )


def test_workflows_without_troubles_are_well(database: str) -> None:
    assert [one.status for one in doctor_workflows.check()] == ["ok"]
    assert doctor_workflows.words() == ""
