"""The clock: every chore may run twice, finds what is due, and says an outage once."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests import broker_first  # noqa: F401  # isort: skip (before what sends nudges)
from admin.chores import Chores
from base.clock import now, sleep, steady, wall_ms
from base.errors import StoreAway
from base.settings import settings
from db import idempotency, ledger, partitions
from db.connection import Tx
from db.held import dead_item, hold
from journal import claims
from journal.spool import Spool
from journal.streams import Kind
from scheduler import CHORES
from tests import make, nudged
from tests.conftest import Connect
from tests.journal import putting
from tests.make import batch_id
from tests.reading import ROOT
from workers.maintenance import oddities, partitioning, pruning, sweeping
from workers.maintenance.chores import Chore, Outages
from workers.queues import Queue

DAY_MS = 86_400_000


@pytest.fixture
def session(connect: Connect, journal_url: str, redis_url: str) -> Tx:
    """Looks at what was committed; journal and broker are empty."""
    putting.empty()
    nudged.empty()
    return connect()


def counted(session: Tx, table: str) -> int:
    row = session.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("chore", CHORES, ids=lambda chore: str(chore.name))
def test_every_chore_may_run_twice(session: Tx, chore: Chore) -> None:
    chore.step()
    chore.step()


def test_chores_are_told_apart_by_name_and_sweeps_come_every_second() -> None:
    every = {chore.name: chore.when for chore in CHORES}

    assert len(every) == len(CHORES)
    assert every["sweep_journal"] == every["sweep_rows"] == 1


def test_what_waits_in_the_journal_is_nudged(session: Tx, journal_url: str) -> None:
    putting.put(journal_url, putting.batch(kind=Kind.CONVERSIONS))

    sweeping.journal()

    assert nudged.actors(Queue.CONVERSIONS) == ["conversions.drain"]
    assert nudged.actors(Queue.CLICKS) == []


def test_what_somebody_claimed_and_never_stored_is_nudged_too(
    session: Tx, journal_url: str
) -> None:
    claims.make_group(Kind.CLICKS)
    putting.put(journal_url, putting.batch())
    claims.Consumer(Kind.CLICKS, claims.consumer_name()).claim(10)

    sweeping.journal()

    assert nudged.actors(Queue.CLICKS) == ["clicks.drain"]


def test_sweeps_do_not_pile_up_nudges(session: Tx, journal_url: str) -> None:
    putting.put(journal_url, putting.batch())

    for _ in range(10):
        sweeping.journal()

    assert len(nudged.actors(Queue.CLICKS)) == 2


def test_an_empty_journal_and_no_due_rows_send_nothing(session: Tx) -> None:
    sweeping.journal()
    sweeping.rows()

    assert [nudged.actors(queue) for queue in Queue] == [[]] * len(Queue)


def test_due_rows_are_nudged_later_ones_are_not(session: Tx) -> None:
    user = make.user(session)["id"]
    make.insert(session, "purges", {"noun": "user", "key": user})
    make.insert(
        session, "held_events",
        {"kind": "clicks", "batch_id": uuid4(), "position": 0, "item": b"{}",
         "next_attempt_at": now() + timedelta(hours=1)},
    )  # fmt: skip

    sweeping.rows()
    assert (nudged.actors(Queue.MAINTENANCE), nudged.actors(Queue.CLICKS)) == (["purges.run"], [])

    session.execute("UPDATE held_events SET next_attempt_at = now()")
    sweeping.rows()
    assert nudged.actors(Queue.CLICKS) == ["held.release"]


def test_partitions_reach_three_months_ahead_and_ninety_days_back(session: Tx) -> None:
    today = datetime.now(UTC)
    wanted = {
        ((today + timedelta(days=days)).year, (today + timedelta(days=days)).month)
        for days in range(-90, 91)
    }

    partitioning.make()

    assert wanted <= partitions.months(session)


def test_a_partition_that_is_missing_is_made_again(session: Tx) -> None:
    partitioning.make()
    before = partitions.children(session, "analytics_events")
    days = partitions.children(session, "ledger")
    newest = max(before)
    session.execute(f"DROP TABLE {newest}")
    session.execute(f"DROP TABLE {max(days)}")

    partitioning.make()

    assert partitions.children(session, "analytics_events") == before
    assert partitions.children(session, "ledger") == days


def test_events_of_every_day_that_doors_accept_find_their_partition(session: Tx) -> None:
    partitioning.make()
    user = make.user(session)["id"]

    for days in (-90, -60, -30, 0, 30, 60, 90):
        make.event(session, user, created_at=now() + timedelta(days=days))

    assert counted(session, "analytics_events") == 7


def test_old_keys_and_dead_letters_go_young_ones_stay(session: Tx) -> None:
    user = str(make.user(session)["id"])
    idempotency.claim(session, [(user, "old", batch_id()), (user, "young", batch_id())])
    session.execute(
        "UPDATE idempotency_keys SET seen_at = now() - interval '91 days' WHERE event_id = 'old'"
    )
    hold(session, [dead_item("clicks", batch_id(), 0, {}, "r") for _ in range(2)])
    session.execute("ALTER TABLE held_events DISABLE TRIGGER USER")
    session.execute(
        "UPDATE held_events SET updated_at = now() - interval '91 days'"
        " WHERE id = (SELECT min(id) FROM held_events)"
    )
    session.execute("ALTER TABLE held_events ENABLE TRIGGER USER")

    pruning.prune()
    pruning.prune()

    assert session.execute("SELECT event_id FROM idempotency_keys").fetchall() == [("young",)]
    assert counted(session, "held_events") == 1


def test_odd_payments_are_counted_for_who_watches(session: Tx) -> None:
    make.receipt(session, make.order(session, make.user(session)["id"]), flags=["conflict"])

    oddities.count()

    [family] = oddities.collect()
    told = {sample.labels["kind"]: sample.value for sample in family.samples}
    assert {kind: count for kind, count in told.items() if count} == {
        "unattributed": 1, "conflict": 1,
    }  # fmt: skip
    assert "orphan" in told  # zero, not missing: an alert has to see it


def test_old_webhooks_go_unless_something_is_still_owed_to_them(session: Tx) -> None:
    old = now() - timedelta(days=91)
    for state in ("done", "dead"):
        make.webhook(session, state=state, created_at=old)
    kept = [
        make.webhook(session, created_at=old)["id"],
        make.webhook(session, state="done", created_at=now() - timedelta(days=89))["id"],
    ]

    pruning.prune()

    left = session.execute("SELECT id FROM webhooks ORDER BY id").fetchall()
    assert [row[0] for row in left] == kept


def test_old_changes_of_links_go_all_but_the_mark_of_how_far(session: Tx) -> None:
    for _ in range(5):
        make.campaign(session)
    session.execute("UPDATE link_changes SET changed_at = now() - interval '25 hours'")
    young = make.campaign(session)["tracking_id"]

    pruning.prune()

    left = session.execute("SELECT noun, key FROM link_changes ORDER BY id").fetchall()
    assert left == [("pruned", ""), ("link", young)]


def old_day(session: Tx, days: int) -> str:
    """A day of the ledger so long ago; its name."""
    day = now().date() - timedelta(days=days)
    ledger.make_partitions(session, day, day)
    return f"ledger_{day:%Y%m%d}"


def test_days_of_the_ledger_past_its_horizon_go(session: Tx) -> None:
    old, young = old_day(session, 30), old_day(session, 14)

    pruning.prune_ledger()
    pruning.prune_ledger()

    left = partitions.children(session, "ledger")
    assert (old in left, young in left) == (False, True)


def test_the_ledger_is_kept_while_the_journal_holds_something_older(
    session: Tx, journal_url: str
) -> None:
    old = old_day(session, 30)
    putting.put(journal_url, putting.batch(ms=wall_ms() - 20 * DAY_MS))

    pruning.prune_ledger()

    assert old in partitions.children(session, "ledger")
    putting.empty()
    pruning.prune_ledger()
    assert old not in partitions.children(session, "ledger")


def test_the_ledger_is_kept_while_a_spool_holds_something_older(session: Tx) -> None:
    old = old_day(session, 30)
    own = Spool(settings().spool_root, "test", 1_000_000)
    own.append([putting.batch(ms=wall_ms() - 20 * DAY_MS)])

    pruning.prune_ledger()
    kept = old in partitions.children(session, "ledger")
    for segment in own.folder.glob("*.seg"):
        segment.unlink()
    own.close()
    pruning.prune_ledger()

    assert kept
    assert old not in partitions.children(session, "ledger")


def test_an_outage_is_one_warning_and_its_end_one_line() -> None:
    answers: list[Exception | None] = [StoreAway("gone"), StoreAway("gone"), OSError(), None, None]

    def step() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    outages = Outages(Chores())
    chore = Chore("chore", 1, step)
    with capture_logs() as lines:
        for _ in range(5):
            outages.run(chore)

    assert [line["event"] for line in lines] == ["chore.postponed", "chore.resumed"]


def test_a_bug_in_a_chore_is_an_error_and_ends_nothing() -> None:
    def step() -> None:
        raise KeyError("bug")

    with capture_logs() as lines:
        Outages(Chores()).run(Chore("chore", 1, step))

    assert [(line["event"], line["log_level"]) for line in lines] == [("chore.failed", "error")]


def test_without_any_store_the_clock_ticks_on_and_ends_when_told(tmp_path: Path) -> None:
    nowhere = {
        "HOPFLEET_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "HOPFLEET_JOURNAL_URL": "redis://127.0.0.1:1/0",
        "HOPFLEET_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", "import scheduler; scheduler.main()"],
            cwd=ROOT, env={**os.environ, **nowhere}, stderr=out,
        )  # fmt: skip
    # One look is for all that have a time of day.
    wanted = {chore.name for chore in CHORES if isinstance(chore.when, int)} | {"daily"}
    end = steady() + 20
    while not all(f'"chore":"{name}"' in log.read_text() for name in wanted):
        assert steady() < end, log.read_text()
        sleep(0.05)
    sleep(1.5)  # a tick more, which must say nothing new
    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0
    said = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line["chore"] for line in said if line["event"] == "chore.postponed"]
    assert len(told) == len(set(told))
    assert wanted <= set(told)
    assert said[-1]["event"] == "scheduler.stopped"
