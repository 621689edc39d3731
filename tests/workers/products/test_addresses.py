"""Syncs from an address: conditional requests, pages in the feed's place, transfers cut off."""

from base.settings import settings
from db.connection import transaction
from db.product_syncs import FEED
from tests import feed_server
from tests.conftest import Connect
from tests.feed_making import catalog, site
from tests.web import web
from workers.products import syncing
from workers.products.syncing import Report

DATA = catalog(*(site(f"S{number}", Title=f"Shop {number}") for number in range(50))).encode()


def _sync(url: str) -> Report:
    with transaction() as tx:
        asked = syncing.ask(tx, FEED, url, is_forced=False, asked_by="schedule")
    return syncing.run(asked)


def test_an_address_is_fetched_once_and_nothing_newer_is_fetched_again(connect: Connect) -> None:
    with web() as server:
        server.answer = feed_server.feed(DATA)
        url = server.url + "/feed.xml"

        first, second = _sync(url), _sync(url)

    assert (first.inserted, first.refused) == (50, None)
    assert second.refused is not None
    assert "not changed" in second.refused
    ends = connect().execute("SELECT outcome, reason FROM product_syncs ORDER BY id").fetchall()
    assert ends == [("applied", None), ("refused", "not_newer")]
    assert list((settings().data_dir / "feeds").iterdir()) == []


def test_what_a_killed_sync_has_fetched_goes_but_not_what_one_waits_with(connect: Connect) -> None:
    folder = settings().data_dir / "feeds"
    folder.mkdir(parents=True, exist_ok=True)
    left, waits, mine = (folder / f"{name}.xml" for name in ("0" * 16, "1" * 16, "mine"))
    for path in (left, waits, mine):
        path.write_bytes(DATA)
    connect().execute(
        "INSERT INTO product_syncs (source, asked_by, state, file)"
        " VALUES ('feed', 'schedule', 'dead', %s)",
        [str(waits)],
    )

    with web() as server:
        server.answer = feed_server.feed(DATA)
        _sync(server.url + "/feed.xml")

    there = sorted(path.name for path in folder.iterdir())
    for path in (waits, mine):
        path.unlink()
    assert there == [waits.name, mine.name]


def test_a_web_page_in_the_feeds_place_changes_nothing(connect: Connect) -> None:
    with web() as server:
        server.answer = feed_server.feed(DATA)
        _sync(server.url + "/feed.xml")
        server.answer = feed_server.page()

        report = _sync(server.url + "/feed.xml")

    assert report.refused is not None
    assert connect().execute("SELECT count(*) FROM products").fetchone() == (50,)
