"""ClickBank's API as a source: refund rates, own products, and what goes wrong on the way."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row

from base.settings import settings
from db.connection import Tx, transaction
from db.product_syncs import API
from tests import clickbank_fake, make
from tests import notifications as told
from tests.clickbank_fake import KEY
from tests.conftest import Connect
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync as sync_feed
from workers.products import syncing
from workers.products.syncing import Report

pytestmark = pytest.mark.usefixtures("redis_url")

AFFILIATE = "affiliate/vendor"


def sold(refunds: str = "6.25", sales: int = 400, **more: Any) -> dict[str, Any]:
    return {"REFUND_RATE": refunds, "GROSS_SALE_COUNT": sales, "CHARGEBACK_RATE": "0.50", **more}


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[clickbank_fake.ClickBank]:
    made = clickbank_fake.ClickBank(nicknames=["mynick"])
    made.sold = {AFFILIATE: []}
    with made.serve() as address:
        monkeypatch.setenv("HOPFLEET_CLICKBANK_API_URL", address)
        settings.cache_clear()
        yield made
    monkeypatch.undo()
    settings.cache_clear()


def account(session: Tx, key: str = KEY, nickname: str | None = "mynick") -> Any:
    """A user with a ClickBank account; returns the user."""
    user = make.user(session)
    chosen = {"nickname": nickname} if nickname else {}
    told.connect(session, user["id"], "SECRET", chosen, api_key=key)
    return user


def sync(asked_by: str = "command") -> Report:
    with transaction() as tx:
        asked = syncing.ask(tx, API, None, is_forced=False, asked_by=asked_by)
    return syncing.run(asked)


def counts(report: Report) -> tuple[int, ...]:
    return (report.seen, report.inserted, report.updated, report.unchanged)


def product(session: Tx, clickbank_id: str) -> dict[str, Any]:
    with session.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT * FROM products WHERE clickbank_id = %s", [clickbank_id]
        ).fetchone()
    assert row is not None
    return row


def places(session: Tx) -> list[Any]:
    return session.execute(
        "SELECT 'p', clickbank_id, ctid::text, xmin::text FROM products"
        " UNION ALL SELECT 's', clickbank_id, ctid::text, xmin::text FROM product_states"
        " UNION ALL SELECT 'v', role || name, ctid::text, xmin::text FROM vendor_sales"
        " ORDER BY 1, 2"
    ).fetchall()


def test_what_was_sold_gives_products_their_refund_rates(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    for name in ("quiltpath", "tidepilot", "oldtaps"):
        make.product(session, clickbank_id=name, vendor=name)
    fake.sold[AFFILIATE] = [
        ("QUILTPATH", sold("6.254")), ("TIDEPILOT", sold("0")), ("UNKNOWN", sold("9"))
    ]  # fmt: skip

    report = sync()

    assert counts(report) == (3, 0, 2, 0)
    assert product(session, "quiltpath")["refund_rate"] == Decimal("6.25")
    assert product(session, "tidepilot")["refund_rate"] == 0
    assert product(session, "oldtaps")["refund_rate"] is None
    assert product(session, "quiltpath")["data_snapshot"] == {
        "api": {"refund_rate": "6.25", "chargeback_rate": "0.50"}
    }


def test_the_same_answer_again_rewrites_no_row(
    session: Tx, fake: clickbank_fake.ClickBank, tmp_path: Path
) -> None:
    account(session)
    sync_feed(Feed().add("QUILTPATH").add("OTHER").write(tmp_path / "feed.xml"))
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.products["mynick"] = [{"sku": "1", "title": "Mine", "price": "27.00"}]
    sync()
    before = places(session)

    report = sync()
    again = sync_feed(tmp_path / "feed.xml")

    assert counts(report) == (2, 0, 0, 2)
    assert again.updated == 0
    assert places(session) == before
    assert product(session, "quiltpath")["refund_rate"] == Decimal("6.25")


def test_a_feed_leaves_what_the_api_told(
    session: Tx, fake: clickbank_fake.ClickBank, tmp_path: Path
) -> None:
    account(session)
    sync_feed(Feed().add("QUILTPATH", gravity="1").write(tmp_path / "1.xml"))
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    sync()

    sync_feed(Feed().add("QUILTPATH", gravity="2").write(tmp_path / "2.xml"))

    row = product(session, "quiltpath")
    assert (row["gravity"], row["refund_rate"]) == (2, Decimal("6.25"))
    assert row["data_snapshot"]["api"]["refund_rate"] == "6.25"


def test_own_products_are_one_row_that_a_feed_takes_over(
    session: Tx, fake: clickbank_fake.ClickBank, tmp_path: Path
) -> None:
    account(session)
    fake.products["mynick"] = [
        {"sku": "10", "title": "The Upsell", "price": "97.00", "rebill": "19.00"},
        {"sku": "1", "title": "My &amp; Course", "price": "27.00", "commission": "75"},
        {"sku": "2", "title": "Not yet", "price": "9.00", "status": "TEST"},
    ]
    first = sync()
    row = product(session, "mynick")

    fake.products["mynick"][1]["title"] = "My Course, 2nd edition"
    second = sync()
    renamed = product(session, "mynick")["title"]
    sync_feed(Feed().add("MYNICK", title="As listed").write(tmp_path / "feed.xml"))
    third = sync()

    assert counts(first) == (1, 1, 0, 0)
    assert (row["title"], row["vendor"], row["rebill"]) == ("My & Course", "mynick", True)
    assert (row["commission_rate"], row["gravity"], row["initial_sale_amount"]) == (75, None, None)
    assert [one["sku"] for one in row["data_snapshot"]["api"]["products"]] == ["1", "10"]
    assert (counts(second), renamed) == ((1, 0, 1, 0), "My Course, 2nd edition")
    assert counts(third) == (1, 0, 0, 1)
    assert product(session, "mynick")["title"] == "As listed"


def test_a_row_that_somebody_else_has_put_keeps_its_title(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    make.product(session, clickbank_id="mynick", title="Theirs", data_snapshot={"note": "x"})
    fake.products["mynick"] = [{"sku": "1", "title": "Mine", "price": "27.00"}]

    sync()

    row = product(session, "mynick")
    assert row["title"] == "Theirs"
    assert (row["data_snapshot"]["note"], len(row["data_snapshot"]["api"]["products"])) == ("x", 1)


def test_without_a_nickname_the_key_tells_whose_it_is(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session, nickname=None)
    fake.nicknames = ["MYNICK", "OTHERNICK"]
    fake.products["othernick"] = [{"sku": "1", "title": "Mine", "price": "27.00"}]

    report = sync()

    assert report.inserted == 1
    assert {path.split("account=")[1][:6] for path, _ in fake.asked if "account=" in path} == {
        "mynick", "othern",
    }  # fmt: skip


def test_without_a_key_there_is_nothing_to_ask(session: Tx) -> None:
    report = sync()

    assert report.refused is not None
    assert "--api-key" in report.refused
