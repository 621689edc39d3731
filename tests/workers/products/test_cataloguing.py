"""The catalogue's upkeep: asked for daily, and nothing left over."""

from pathlib import Path

from db.product_stage import Stage
from tests.conftest import Connect
from tests.workers.products import asking
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync
from workers.maintenance import cataloguing

_ASKED = "SELECT source, address, asked_by FROM product_syncs WHERE state = 'pending'"


def test_nobody_fetches_anything_before_somebody_has_synced(
    connect: Connect, tmp_path: Path
) -> None:
    cataloguing.owe_daily()
    sync(Feed().many(2).write(tmp_path / "feed.xml"))
    cataloguing.owe_daily()

    assert connect().execute(_ASKED).fetchall() == []


def test_the_feed_of_an_address_is_asked_for_once_a_day(connect: Connect, tmp_path: Path) -> None:
    sync(Feed().many(2).write(tmp_path / "feed.xml"))
    session = connect()
    session.execute("UPDATE product_syncs SET address = 'http://feeds.example/feed.zip'")

    cataloguing.owe_daily()
    cataloguing.owe_daily()

    assert session.execute(_ASKED).fetchall() == [
        ("feed", "http://feeds.example/feed.zip", "schedule")
    ]


def test_a_file_in_between_does_not_end_what_an_address_is_asked_for_daily(
    connect: Connect, tmp_path: Path
) -> None:
    sync(Feed().many(2).write(tmp_path / "feed.xml"))
    session = connect()
    session.execute("UPDATE product_syncs SET address = 'http://feeds.example/feed.zip'")
    sync(tmp_path / "feed.xml")

    cataloguing.owe_daily()

    assert session.execute(_ASKED).fetchall() == [
        ("feed", "http://feeds.example/feed.zip", "schedule")
    ]


def test_accounts_with_an_api_key_are_asked_once_a_day(connect: Connect) -> None:
    session = connect()
    asking.account(session)

    cataloguing.owe_daily()
    cataloguing.owe_daily()

    assert session.execute(_ASKED).fetchall() == [("api", None, "schedule")]


def test_old_syncs_and_what_they_staged_go_but_the_last_applied_stays(
    connect: Connect, tmp_path: Path
) -> None:
    for _ in range(2):
        sync(Feed().many(2).write(tmp_path / "feed.xml"))
    session = connect()
    session.execute("UPDATE product_syncs SET created_at = now() - interval '91 days'")
    waiting = session.execute(
        "INSERT INTO product_syncs (source, asked_by) VALUES ('feed', 'command') RETURNING id"
    ).fetchone()
    assert waiting is not None
    for sync_id in (1, waiting[0]):
        with session.transaction():
            Stage(sync_id).make(session)
    session.execute(
        "INSERT INTO product_history (product_id, day) SELECT id, d FROM products,"
        " (VALUES (current_date - 800), (current_date - 700)) AS days (d)"
    )

    cataloguing.clear()

    left = session.execute("SELECT outcome, count(*) FROM product_syncs GROUP BY 1 ORDER BY 1")
    assert left.fetchall() == [("applied", 1), (None, 1)]
    staged = session.execute("SELECT relname FROM pg_class WHERE relname ~ '^feed_.*_listings$'")
    assert staged.fetchall() == [(f"feed_{waiting[0]}_listings",)]
    assert session.execute("SELECT count(*) FROM product_history").fetchone() == (2,)
    with session.transaction():
        Stage(waiting[0]).drop(session)
