"""ClickBank's API as a source: refund rates and own products, each page once."""

from decimal import Decimal
from pathlib import Path

from db import vendor_sales
from db.connection import Tx, transaction
from tests import clickbank_fake, make
from tests.workers.products.asking import (
    AFFILIATE,
    account,
    counts,
    places,
    product,
    sold,
    sync,
)
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync as sync_feed


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


def test_a_rate_of_today_hides_no_gravity_of_before(
    session: Tx, fake: clickbank_fake.ClickBank, tmp_path: Path
) -> None:
    account(session)
    sync_feed(Feed().add("QUILTPATH", gravity="10").write(tmp_path / "1.xml"))
    with session.transaction():
        session.execute("SET LOCAL hopfleet.syncing = 'on'")
        session.execute(
            "UPDATE products SET created_at = now() - interval '3 days',"
            " last_updated = now() - interval '2 days'"
        )
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    sync()

    sync_feed(Feed().add("QUILTPATH", gravity="12").write(tmp_path / "2.xml"))

    history = session.execute(
        "SELECT (now() AT TIME ZONE 'UTC')::date - day, gravity FROM product_history ORDER BY day"
    ).fetchall()
    assert history == [(3, 10), (0, 12)]


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


def test_two_accounts_of_one_vendor_are_weighed_by_their_sales(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    account(session, nickname="other")
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold("10", 100))]
    sync()
    session.execute("UPDATE vendor_sales SET refund_rate = 20, sales = 300 WHERE account = 'other'")
    with transaction() as tx:
        vendor_sales.rate(tx, ["quiltpath"])

    assert product(session, "quiltpath")["refund_rate"] == Decimal("17.50")


def test_what_an_account_sold_is_not_shown_to_everybody(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold(NET_SALE_AMOUNT="12345.67"))]

    sync()

    assert "12345" not in str(product(session, "quiltpath")["data_snapshot"])
    (row,) = session.execute("SELECT told FROM vendor_sales").fetchall()
    assert row[0]["NET_SALE_AMOUNT"] == "12345.67"


_NASTY = "a\x00b\x1b\u202e\U0001f600" + "x" * 10_000


def test_nasty_texts_and_numbers_are_cut_or_left_out_and_the_rest_is_kept(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    make.product(session, clickbank_id="good", vendor="good")
    fake.sold[AFFILIATE] = [
        (_NASTY, sold()), ("\x00", sold()), ("huge", sold("9" * 400, 10**30)),
        ("odd", {_NASTY: _NASTY, "REFUND_RATE": "Infinity", "GROSS_SALE_COUNT": "-5.5"}),
        *((f"many{n}", {f"A{m}": "1" for m in range(200)}) for n in range(3)), ("GOOD", sold("5")),
    ]  # fmt: skip
    fake.products["mynick"] = [
        {"sku": _NASTY, "title": _NASTY, "description": _NASTY, "price": _NASTY},
    ]

    report = sync()

    assert (report.refused, report.inserted) == (None, 1)
    assert product(session, "good")["refund_rate"] == 5
    assert len(product(session, "mynick")["title"]) == 500
    (most,) = session.execute("SELECT max(length(told::text)) FROM vendor_sales").fetchall()
    assert most[0] < 10_000
