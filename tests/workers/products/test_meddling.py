"""Syncs while others meddle: ids that are renamed, files that are replaced, ends that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db import product_stage, product_syncs
from db.connection import Tx, transaction
from db.product_stage import Stage
from db.product_syncs import FEED
from tests.conftest import Connect
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync
from workers.products import syncing
from workers.products.keeping import LeaseLost, Stopped


def _ask(path: Path) -> int:
    with transaction() as tx:
        return syncing.ask(tx, FEED, str(path), is_forced=False, asked_by="command")


def test_a_product_that_was_given_another_id_is_missing_and_its_own_is_new(
    connect: Connect, tmp_path: Path
) -> None:
    sync(Feed().many(4).write(tmp_path / "1.xml"))
    session = connect()
    session.execute("UPDATE products SET clickbank_id = 'mine' WHERE clickbank_id = 'p1'")

    renamed = sync(Feed().many(4).write(tmp_path / "2.xml"))
    changed = sync(Feed().many(4, gravity=5).write(tmp_path / "3.xml"))
    same = sync(tmp_path / "3.xml")

    assert (renamed.inserted, renamed.updated, renamed.missing) == (1, 0, 1)
    assert (changed.inserted, changed.updated, changed.missing) == (0, 4, 1)
    assert (same.inserted, same.updated, same.missing) == (0, 0, 1)


def test_a_file_that_was_replaced_while_its_sync_waited_is_read_anew(
    connect: Connect, tmp_path: Path
) -> None:
    path = Feed().many(4).write(tmp_path / "feed.xml")
    asked = _ask(path)

    def stop_at_apply(progress: syncing.Progress) -> None:
        if progress.stage == "apply":
            raise Stopped("told to stop")

    with pytest.raises(Stopped):
        syncing.run(asked, stop_at_apply)
    Feed().many(6).write(path)

    report = syncing.run(asked)

    assert (report.seen, report.inserted, report.listings) == (6, 6, 6)
    again = sync(path)
    assert (again.seen, again.unchanged) == (6, 6)
    digests = connect().execute("SELECT count(DISTINCT digest) FROM product_syncs").fetchone()
    assert digests == (1,)


@contextmanager
def _without_words(session: Tx) -> Iterator[None]:
    session.execute("ALTER TABLE product_words ADD CONSTRAINT none CHECK (false)")
    try:
        yield
    finally:
        session.execute("ALTER TABLE product_words DROP CONSTRAINT none")


def test_what_fails_after_the_feed_was_applied_does_not_deny_it(
    connect: Connect, tmp_path: Path
) -> None:
    session = connect()
    with _without_words(session):
        report = sync(Feed().many(3).write(tmp_path / "feed.xml"))

    assert (report.inserted, report.refused) == (3, None)
    assert session.execute("SELECT state, outcome FROM product_syncs").fetchall() == [
        ("done", "applied")
    ]
    assert session.execute("SELECT FROM pg_class WHERE relname ~ '^feed_[0-9]'").fetchall() == []


def test_who_lost_the_lease_clears_nothing_of_whoever_has_it(
    connect: Connect, tmp_path: Path
) -> None:
    sync(Feed().many(9).write(tmp_path / "last.xml"))
    session = connect()
    asked = _ask(Feed().many(2).write(tmp_path / "small.xml"))

    def lose_it(progress: syncing.Progress) -> None:
        if progress.stage == "merge":
            session.execute("UPDATE product_syncs SET attempts = 5 WHERE id = %s", [asked])

    with pytest.raises(LeaseLost):
        syncing.run(asked, lose_it)

    staged = session.execute(
        "SELECT relname FROM pg_class WHERE relname ~ '^feed_[0-9]+_(listings|contents)$'"
    ).fetchall()
    with session.transaction():
        Stage(asked).drop(session)
    assert len(staged) == 2


def test_a_sync_that_was_stopped_or_died_says_when(connect: Connect, tmp_path: Path) -> None:
    path = Feed().many(3).write(tmp_path / "feed.xml")

    def stop(progress: syncing.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        syncing.run(_ask(path), stop)
    session = connect()
    session.execute("ALTER TABLE product_history RENAME TO away")
    try:
        with pytest.raises(Exception, match="product_history"):
            sync(path)
    finally:
        session.execute("ALTER TABLE away RENAME TO product_history")
    with session.transaction():
        for sync_id in product_stage.staged(session):  # of the dead one: it may be replayed
            Stage(sync_id).drop(session)

    ends = session.execute(
        "SELECT state, outcome, finished_at >= started_at FROM product_syncs ORDER BY id"
    ).fetchall()
    assert ends == [("done", "cancelled", True), ("dead", None, True)]


def test_a_feed_from_the_future_does_not_keep_later_ones_out(
    connect: Connect, tmp_path: Path
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    sync(Feed().many(3).write(tmp_path / "ahead.xml", ahead))

    report = sync(Feed().many(4).write(tmp_path / "next.xml"))

    assert (report.refused, report.inserted) == (None, 1)


def test_a_feed_that_was_refused_or_is_the_last_one_counts_no_absence(
    connect: Connect, tmp_path: Path
) -> None:
    sync(Feed().many(4).add("GONE").write(tmp_path / "with.xml"))
    last = Feed().many(4).write(tmp_path / "without.xml")
    sync(last)
    older = Feed().many(3).write(tmp_path / "older.xml", datetime.now(UTC) - timedelta(days=2))
    small = Feed().many(1).write(tmp_path / "small.xml")

    reports = [sync(older), sync(small), sync(last), sync(last, is_forced=True)]

    assert [report.refused is not None for report in reports] == [True, True, False, False]
    absences = connect().execute("SELECT feeds, vanished_at FROM product_absences").fetchall()
    assert absences == [(1, None)]


def test_a_sync_whose_processes_die_again_and_again_is_a_dead_letter(
    connect: Connect, tmp_path: Path
) -> None:
    session = connect()
    asked = _ask(Feed().many(2).write(tmp_path / "f.xml"))
    session.execute(
        "UPDATE product_syncs SET state = 'running', lease_until = now() - interval '1 s',"
        " attempts = %s WHERE id = %s",
        [product_syncs.MOST_ATTEMPTS, asked],
    )

    taken = syncing.take()

    assert taken is None
    ended = session.execute("SELECT state, reason, finished_at IS NOT NULL FROM product_syncs")
    assert ended.fetchall() == [("dead", "lost", True)]


def test_what_has_vanished_is_not_counted_on(connect: Connect, tmp_path: Path) -> None:
    session = connect()
    sync(Feed().many(4).write(tmp_path / "0.xml"))

    def absent() -> object:
        return session.execute("SELECT feeds, vanished_at, xmin FROM product_absences").fetchall()

    for day in (1, 2, 3):
        sync(Feed().many(3, gravity=day).write(tmp_path / f"{day}.xml"), is_forced=True)
    third = absent()
    sync(Feed().many(3, gravity=4).write(tmp_path / "4.xml"), is_forced=True)

    assert absent() == third
