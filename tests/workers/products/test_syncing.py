"""A feed becomes the catalogue: what it changes, and what it leaves alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row

from base.errors import Misused
from db import product_syncs
from db.connection import Tx, transaction
from db.product_syncs import FEED
from tests.conftest import Connect
from tests.workers.products.feeds import Feed
from workers.products import syncing
from workers.products.keeping import LEASE_SECONDS, LeaseLost, Stopped
from workers.products.syncing import Busy, Report

SAMPLE = Path(__file__).parents[2] / "data" / "marketplace_sample.xml"
CRAFTS = "Home & Garden > Crafts & Hobbies"


def sync(path: Path, *, is_forced: bool = False) -> Report:
    with transaction() as tx:
        asked = syncing.ask(tx, FEED, str(path), is_forced=is_forced, asked_by="command")
    return syncing.run(asked)


def _counts(report: Report) -> tuple[int, ...]:
    return (report.seen, report.inserted, report.updated, report.unchanged, report.missing)


def _product(session: Tx, clickbank_id: str) -> dict[str, Any]:
    with session.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT * FROM products WHERE clickbank_id = %s", [clickbank_id]
        ).fetchone()
    assert row is not None
    return row


def _places(session: Tx) -> list[Any]:
    """Where the rows are and who wrote them: a rewritten row is elsewhere."""
    return session.execute(
        "SELECT 'p', id, ctid::text, xmin::text FROM products"
        " UNION ALL SELECT 's', product_id, ctid::text, xmin::text FROM product_states"
        " ORDER BY 1, 2"
    ).fetchall()


def test_the_sample_becomes_its_rows(connect: Connect) -> None:
    report = sync(SAMPLE)

    session = connect()
    assert _counts(report) == (24, 24, 0, 0, 0)
    assert report.listings == 26
    assert report.refused is None
    quilt = _product(session, "quiltpath")
    assert (quilt["vendor"], quilt["category"], quilt["popularity_rank"]) == (
        "quiltpath", CRAFTS, 1,
    )  # fmt: skip
    assert quilt["commission_amount"] == Decimal("52.18")
    assert (quilt["gravity"], quilt["rebill"], quilt["refund_rate"]) == (
        Decimal("48.27"), True, None,
    )  # fmt: skip
    assert quilt["data_snapshot"]["categories"] == [
        {"path": "Home & Garden", "rank": 2},
        {"path": CRAFTS, "rank": 1},
    ]
    assert quilt["data_snapshot"]["Gravity"] == "48.2731"
    assert quilt["data_snapshot"]["PopularityRank"] == "1"
    tide = _product(session, "tidepilot")
    assert (tide["category"], tide["popularity_rank"]) == (CRAFTS, 2)
    assert _product(session, "roofrain")["description"] == ""


def test_the_same_feed_again_rewrites_no_row(connect: Connect) -> None:
    sync(SAMPLE)
    session = connect()
    before = _places(session)

    report = sync(SAMPLE)

    assert _counts(report) == (24, 0, 0, 24, 0)
    assert _places(session) == before


def test_only_what_changed_is_rewritten_and_its_history_kept(
    connect: Connect, tmp_path: Path
) -> None:
    first = Feed().many(3).add("Q", gravity="10.0")
    sync(first.write(tmp_path / "first.xml"))
    session = connect()
    session.execute("UPDATE products SET last_updated = last_updated - interval '2 days'")
    session.execute("UPDATE product_states SET digest = gen_random_uuid()")  # told, but not kept
    sync(tmp_path / "first.xml")
    before = {row[1]: row for row in _places(session) if row[0] == "p"}

    report = sync(Feed().many(3).add("Q", gravity="12.5").write(tmp_path / "second.xml"))

    changed = _product(session, "q")
    assert _counts(report) == (4, 0, 1, 3, 0)
    after = {row[1]: row for row in _places(session) if row[0] == "p"}
    assert {row_id for row_id in after if after[row_id] != before[row_id]} == {changed["id"]}
    history = session.execute(
        "SELECT day, gravity FROM product_history WHERE product_id = %s ORDER BY day",
        [changed["id"]],
    ).fetchall()
    assert [gravity for _, gravity in history] == [Decimal("12.50")]


def test_the_values_before_the_first_change_are_kept_under_their_day(
    connect: Connect, tmp_path: Path
) -> None:
    sync(Feed().add("Q", gravity="10.0").write(tmp_path / "first.xml"))
    session = connect()
    with session.transaction():
        session.execute("SET LOCAL hopfleet.syncing = 'on'")
        session.execute("UPDATE products SET last_updated = now() - interval '2 days'")

    sync(Feed().add("Q", gravity="12.5").write(tmp_path / "second.xml"))
    sync(Feed().add("Q", gravity="13.5").write(tmp_path / "third.xml"))

    history = session.execute(
        "SELECT (now() AT TIME ZONE 'UTC')::date - day, gravity FROM product_history ORDER BY day"
    ).fetchall()
    assert history == [(2, Decimal("10.00")), (0, Decimal("13.50"))]


def test_a_product_vanishes_at_the_third_feed_and_may_come_back(
    connect: Connect, tmp_path: Path
) -> None:
    session = connect()
    both = Feed().many(4).add("GONE")
    sync(both.write(tmp_path / "0.xml"))
    told = []
    for at in (1, 2, 3):
        report = sync(Feed().many(4, gravity=at).write(tmp_path / f"{at}.xml"))
        told.append((report.missing, *_absence(session)))
    sync(tmp_path / "3.xml")  # the same feed once more is no fourth
    again = _absence(session)
    back = sync(both.write(tmp_path / "4.xml"))

    assert told == [(1, 1, False), (1, 2, False), (1, 3, True)]
    assert again == (3, True)
    assert back.missing == 0
    assert _absence(session) == ()
    assert _product(session, "gone")["title"] == "A Title"


def _absence(session: Tx) -> tuple[Any, ...]:
    row = session.execute("SELECT feeds, vanished_at IS NOT NULL FROM product_absences").fetchone()
    return row or ()


def test_feeds_that_are_old_small_or_empty_are_refused(connect: Connect, tmp_path: Path) -> None:
    sync(Feed().many(10).write(tmp_path / "full.xml"))
    session = connect()
    before = _places(session)
    yesterday = datetime.now(UTC) - timedelta(days=1)

    old = sync(Feed().many(10, gravity=1).write(tmp_path / "old.xml", yesterday))
    small = sync(Feed().many(4).write(tmp_path / "small.xml"))
    empty = sync(Feed().write(tmp_path / "empty.xml"), is_forced=True)

    assert old.refused
    assert "older" in old.refused
    assert "--force" in old.refused
    assert small.refused
    assert "under half" in small.refused
    assert empty.refused
    assert _places(session) == before
    reasons = session.execute(
        "SELECT reason FROM product_syncs WHERE outcome = 'refused' ORDER BY id"
    ).fetchall()
    assert reasons == [("older",), ("smaller",), ("empty",)]


def test_force_takes_an_old_and_a_small_feed(tmp_path: Path, database: str) -> None:
    sync(Feed().many(10).write(tmp_path / "full.xml"))
    yesterday = datetime.now(UTC) - timedelta(days=1)

    report = sync(Feed().many(4).write(tmp_path / "small.xml", yesterday), is_forced=True)

    assert report.refused is None
    assert _counts(report) == (4, 0, 0, 4, 6)


def test_a_damaged_feed_is_refused_even_when_forced(connect: Connect, tmp_path: Path) -> None:
    sync(Feed().many(3).write(tmp_path / "full.xml"))
    before = _places(connect())
    cut = tmp_path / "cut.xml"
    cut.write_bytes((tmp_path / "full.xml").read_bytes()[:-20])

    report = sync(cut, is_forced=True)

    assert report.refused
    assert _places(connect()) == before
    assert _staged(connect()) == []


def _staged(session: Tx) -> list[Any]:
    return session.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = 'archive' AND relkind = 'r'"
    ).fetchall()


def test_what_another_application_changed_is_restored(connect: Connect, tmp_path: Path) -> None:
    path = Feed().many(2).write(tmp_path / "feed.xml")
    sync(path)
    session = connect()
    session.execute("UPDATE products SET title = 'Spoilt' WHERE clickbank_id = 'p1'")

    report = sync(path)

    assert _counts(report) == (2, 0, 1, 1, 0)
    assert _product(session, "p1")["title"] == "Product 1"


def test_rows_of_another_application_are_taken_over_whatever_their_case(
    connect: Connect, tmp_path: Path
) -> None:
    session = connect()
    session.execute(
        "INSERT INTO products (clickbank_id, title, vendor, refund_rate, data_snapshot)"
        " VALUES ('P1', 'by hand', 'P1', 7.5, '{\"api\": {\"n\": 1}, \"mine\": 2}')"
    )

    report = sync(Feed().many(2).write(tmp_path / "feed.xml"))

    assert _counts(report) == (2, 1, 1, 0, 0)
    found = _product(session, "p1")
    assert (found["title"], found["refund_rate"]) == ("Product 1", Decimal("7.50"))
    assert found["data_snapshot"]["api"] == {"n": 1}


def test_a_second_sync_says_that_another_runs(tmp_path: Path, database: str) -> None:
    path = Feed().many(2).write(tmp_path / "feed.xml")
    with transaction() as tx:
        first = syncing.ask(tx, FEED, str(path), is_forced=False, asked_by="command")
    with transaction() as tx:
        assert product_syncs.take(tx, first, "elsewhere", LEASE_SECONDS)

    with pytest.raises(Busy, match=f"Sync {first} has been running since"):
        sync(path)


def test_who_lost_the_lease_changes_nothing(connect: Connect, tmp_path: Path) -> None:
    path = Feed().many(2).write(tmp_path / "feed.xml")
    with transaction() as tx:
        asked = syncing.ask(tx, FEED, str(path), is_forced=False, asked_by="command")
    row = syncing.take(asked)
    assert row is not None
    session = connect()
    session.execute("UPDATE product_syncs SET attempts = attempts + 1")

    with pytest.raises(LeaseLost):
        syncing.carry_out(row, lambda progress: None)

    assert _places(session) == []


def test_a_sync_goes_on_with_what_was_staged_but_not_with_emptied_tables(
    connect: Connect, tmp_path: Path
) -> None:
    path = Feed().many(5).write(tmp_path / "feed.xml")
    session = connect()

    def stop_at_apply(progress: syncing.Progress) -> None:
        if progress.stage == "apply":
            raise Stopped("told to stop")

    with transaction() as tx:
        asked = syncing.ask(tx, FEED, str(path), is_forced=False, asked_by="command")
    for emptied in (False, True):
        with pytest.raises(Stopped):
            syncing.run(asked, stop_at_apply)
        if emptied:  # as after a crash of the server
            session.execute(
                f"TRUNCATE archive.feed_{asked}_listings, archive.feed_{asked}_contents"
            )
    stages = []

    report = syncing.run(asked, lambda progress: stages.append(progress.stage))

    assert _counts(report) == (5, 5, 0, 0, 0)
    assert "read" in stages
    assert _staged(session) == []


def test_an_address_with_a_password_is_refused(tx: Tx) -> None:
    with pytest.raises(Misused, match="password"):
        syncing.ask(tx, FEED, "http://me:secret@host/x", is_forced=False, asked_by="command")
