"""The marketplace's search as a source: facts beside products, and no harm when it refuses."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from base.settings import settings
from db.connection import Tx, transaction
from db.product_syncs import SEARCH
from integrations.marketplace_search import SearchAway
from tests import make
from tests.search_fake import LONG, Search, hit
from tests.workers.products.asking import counts, places, product
from workers.maintenance import cataloguing
from workers.products import syncing
from workers.products.syncing import Report

GARDEN = "Home & Garden"


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Iterator[Search]:
    made = Search()
    with made.serve() as address:
        monkeypatch.setenv("HOPFLEET_MARKETPLACE_SEARCH_URL", address)
        settings.cache_clear()
        yield made
    monkeypatch.undo()
    settings.cache_clear()


def sync() -> Report:
    with transaction() as tx:
        asked = syncing.ask(tx, SEARCH, None, is_forced=False, asked_by="command")
    return syncing.run(asked)


def known(session: Tx, *names: str, **columns: Any) -> None:
    for name in names:
        make.product(
            session, clickbank_id=name, vendor=name, category=f"{GARDEN} > Crafts", **columns
        )


def test_hits_are_kept_as_they_were_told_and_change_nothing_else(
    session: Tx, search: Search
) -> None:
    known(session, "quiltpath", gravity=7, data_snapshot={"Gravity": "7.0", "api": {"x": "1"}})
    search.hits = [hit("quiltpath"), hit("unknown")]

    report = sync()

    row = product(session, "quiltpath")
    assert counts(report) == (2, 0, 1, 0)
    assert (row["gravity"], row["refund_rate"], row["title"]) == (7, None, "A product")
    assert row["data_snapshot"]["search"] == {
        "site": "QUILTPATH", "title": "The offer of quiltpath", "activated": "2024-03-05",
        "url": "https://quiltpath.example/",
        "stats": {
            "category": GARDEN, "subCategory": "Crafts & Hobbies", "activateDate": "03-05-2024",
            "gravity": LONG, "rank": "3", "initialDollarsPerSale": "31.5", "rebill": "true",
            "expectedReturnRate": "0.0625", "en": "true",
        },
    }  # fmt: skip
    assert (row["data_snapshot"]["Gravity"], row["data_snapshot"]["api"]) == ("7.0", {"x": "1"})
    assert session.execute("SELECT count(*) FROM products").fetchone() == (1,)


def test_the_same_hits_again_rewrite_no_row(session: Tx, search: Search) -> None:
    known(session, "quiltpath", "tidepilot")
    search.hits = [hit("quiltpath"), hit("tidepilot")]
    sync()
    before = places(session)

    report = sync()

    assert counts(report) == (2, 0, 0, 2)
    assert places(session) == before


def test_products_of_live_campaigns_are_asked_for_first_then_categories_page_by_page(
    session: Tx, search: Search
) -> None:
    known(session, *(f"v{n}" for n in range(40)))
    for name, gravity in (("low", 1), ("high", 9)):
        row = make.product(session, clickbank_id=name, vendor=name, gravity=gravity)
        make.campaign(session, product_id=row["id"])
    search.hits = [hit(f"v{n}") for n in range(40)]

    report = sync()

    assert [one.get("nicknameMasq", one.get("category")) for one in search.asked] == [
        "HIGH", "LOW", GARDEN, GARDEN,
    ]  # fmt: skip
    assert [one["offset"] for one in search.asked[2:]] == [0, 30]
    assert report.updated == 40


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ((403, b"<html>Forbidden</html>"), "firewall"),
        ((200, b"<!DOCTYPE html><title>Just a moment...</title>"), "firewall"),
        ((302, b""), "firewall"),
        (
            (200, b'{"errors":[{"message":"Unknown argument\\u0000 \\"x\\""}],"data":null}'),
            "errors",
        ),
        ((400, b'{"errors":"no"}'), "errors"),
        ((200, b'{"data":null}'), "shape"),
        ((200, b"[]"), "shape"),
        ((200, b"null"), "shape"),
        ((200, b""), "shape"),
        ((200, b"\xff\xfe"), "shape"),
        ((200, b"[" * 100_000), "shape"),
    ],
)
def test_a_wall_is_a_refusal_with_a_reason_and_harms_nothing(
    session: Tx, search: Search, failure: tuple[int, bytes], reason: str
) -> None:
    known(session, "quiltpath")
    before = places(session)
    search.failure = failure

    report = sync()

    assert report.refused
    assert "\x00" not in report.refused
    assert session.execute("SELECT reason FROM product_syncs").fetchone() == (reason,)
    assert places(session) == before


@pytest.mark.parametrize("failure", [(500, b""), (429, b"slow down"), (503, b"<html>")])
def test_an_outage_is_for_later(session: Tx, search: Search, failure: tuple[int, bytes]) -> None:
    known(session, "quiltpath")
    search.failure = failure

    with pytest.raises(SearchAway):
        sync()


def test_pages_that_repeat_are_given_up(session: Tx, search: Search) -> None:
    known(session, "quiltpath")
    search.hits, search.repeats = [hit("quiltpath")], True

    with pytest.raises(SearchAway):
        sync()

    assert len(search.asked) == 2


@pytest.mark.parametrize(
    "told",
    [
        {"hits": None}, {"hits": [None, 1, {}, {"site": None}, {"site": 5}]}, {"totalHits": "x"},
        {"hits": [{"site": "QUILTPATH", "marketplaceStats": None, "title": ["x"]}]},
        {"hits": [{"site": "QUILTPATH", "marketplaceStats": {"activateDate": "02-30-2024"}}]},
        {"hits": [{"site": "quilt\x00path"}, {"site": "x" * 10_000}, {"site": "\x00"}]},
        {"hits": [{"site": "QUILTPATH", "title": "\x00" + "x" * 10_000, "marketplaceStats":
                   {f"a\x00{n}": "x" * 10_000 for n in range(100)}}]},
    ],
)  # fmt: skip
def test_odd_hits_harm_nothing(session: Tx, search: Search, told: dict[str, Any]) -> None:
    known(session, "quiltpath", gravity=7)
    search.answer = lambda parameters: (200, orjson.dumps({"data": {"marketplaceSearch": told}}))  # type: ignore[method-assign]

    report = sync()

    assert report.refused is None
    assert product(session, "quiltpath")["gravity"] == 7


@pytest.mark.usefixtures("search")
def test_without_products_there_is_nothing_to_ask_for(session: Tx) -> None:
    assert "products sync" in str(sync().refused)


def test_it_is_asked_daily_only_where_its_address_is_set(
    session: Tx, monkeypatch: pytest.MonkeyPatch
) -> None:
    cataloguing.owe_daily()
    without = session.execute("SELECT source FROM product_syncs").fetchall()
    monkeypatch.setenv("HOPFLEET_MARKETPLACE_SEARCH_URL", "http://search.example/graphql")
    settings.cache_clear()

    cataloguing.owe_daily()
    cataloguing.owe_daily()

    monkeypatch.undo()
    settings.cache_clear()
    assert without == []
    assert session.execute("SELECT source, state FROM product_syncs").fetchall() == [
        ("search", "pending")
    ]


def test_halves_of_characters_are_left_out(session: Tx, search: Search) -> None:
    known(session, "quiltpath")
    hits = b'[{"site":"QUILT\\ud800PATH","title":"x\\udfff","marketplaceStats":{"a\\ud800":1e999}}]'
    search.failure = (200, b'{"data":{"marketplaceSearch":{"hits":' + hits + b"}}}")

    report = sync()

    assert counts(report) == (1, 0, 1, 0)
    assert product(session, "quiltpath")["data_snapshot"]["search"] == {
        "site": "QUILTPATH", "title": "x", "stats": {"a": "1e999"},
    }  # fmt: skip
