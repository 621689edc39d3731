"""ClickBank's API as a source: refund rates, own products, and what goes wrong on the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg.rows import dict_row

from base.settings import settings
from db import api_turns, vendor_sales
from db.connection import Tx, transaction
from db.product_syncs import API
from integrations.clickbank import ClickBankAway
from tests import clickbank_fake, make
from tests import notifications as told
from tests.clickbank_fake import KEY
from tests.conftest import Connect
from tests.fleet.program import until
from tests.workers.products.feeds import Feed
from tests.workers.products.test_syncing import sync as sync_feed
from workers.clickbank_turns import KEPT_FOR_ORDERS, MOST_A_DAY
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
    made.sold = {AFFILIATE: [], "vendor/vendor": [], "vendor/product_sku": []}
    made.products = {"mynick": [], "other": []}
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


# --- limits, and who comes first


def use(session: Tx, but: int, key: str = KEY) -> None:
    """The account has used up its day but for so many questions for products."""
    session.execute("DELETE FROM api_budgets")
    session.execute(
        "INSERT INTO api_budgets (account, hour, used) VALUES (%s, date_trunc('hour', now()), %s)",
        (api_turns.account_of(key), MOST_A_DAY - KEPT_FOR_ORDERS - but),
    )


def names(fake: clickbank_fake.ClickBank) -> list[str]:
    """Which vendors were asked for one by one."""
    found = [parse_qs(urlsplit(path).query) for path, _ in fake.asked]
    return [one["dimensionFilter"][0] for one in found if "dimensionFilter" in one]


def test_products_of_live_campaigns_come_first_and_the_next_run_does_the_rest(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = account(session)
    for n in range(6):
        row = make.product(session, clickbank_id=f"v{n}", vendor=f"v{n}", gravity=n)
        if n in (2, 4, 5):
            status = "paused" if n == 5 else "active"
            make.campaign(session, user_id=user["id"], product_id=row["id"], status=status)
    fake.page_size = 1
    fake.sold[AFFILIATE] = [(f"V{n}", sold("5")) for n in range(6)]
    use(session, but=3)

    short = sync()
    rated = {row[0] for row in session.execute(
        "SELECT clickbank_id FROM products WHERE refund_rate IS NOT NULL")}  # fmt: skip
    asked = names(fake)
    fake.asked.clear()
    session.execute("DELETE FROM api_budgets")
    again = sync()

    assert asked == ["V4", "V2"]
    assert rated == {"v4", "v2", "v0"}
    assert short.left == 4  # the list, of which a page was read, and three other questions
    assert short.refused is None
    assert again.left == 0
    assert fake.asked[0][1] == "2"  # it goes on with the page that was next
    assert session.execute(
        "SELECT count(*) FROM products WHERE refund_rate IS NULL"
    ).fetchone() == (0,)  # fmt: skip


def test_what_is_left_and_why_is_kept_with_the_sync(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    use(session, but=0)

    report = sync()

    row = session.execute(
        "SELECT state, outcome, unasked, last_error FROM product_syncs"
    ).fetchone()
    assert row is not None
    assert row[:3] == ("done", "applied", 4)
    assert "5,000 of them kept for orders" in row[3]
    assert (report.left, fake.asked) == (4, [])


# --- what goes wrong


def test_a_wrong_key_of_one_account_does_not_stop_the_others(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session, key="API-WRONG", nickname="other")
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]

    report = sync()

    assert counts(report) == (1, 0, 1, 0)
    (row,) = session.execute("SELECT last_error FROM product_syncs").fetchall()
    assert row[0].startswith("1 of 2 accounts: ClickBank answered 403: the API key is wrong")
    assert "API-WRONG" not in str(
        session.execute("SELECT s::text, a::text FROM product_syncs s, product_asks a").fetchall()
    )


def test_a_wrong_key_alone_is_a_refusal_with_its_reason(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session, key="API-WRONG")

    report = sync()

    assert report.refused is not None
    assert "has expired" in report.refused
    assert session.execute("SELECT reason FROM product_syncs").fetchone() == ("no_access",)


@pytest.mark.parametrize("fault", ["endless", "repeats"])
def test_pages_that_never_end_are_given_up_and_what_was_told_stays(
    session: Tx, fake: clickbank_fake.ClickBank, fault: str
) -> None:
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.faults[AFFILIATE] = fault

    with pytest.raises(ClickBankAway):
        sync()

    assert product(session, "quiltpath")["refund_rate"] == Decimal("6.25")
    assert len(fake.asked) <= 4
    row = session.execute("SELECT state, reason, last_error FROM product_syncs").fetchone()
    assert row is not None
    assert row[:2] == ("dead", "away")


@pytest.mark.parametrize("fault", ["html", "cut", "500"])
def test_a_scheduled_run_is_tried_again_and_asks_only_what_is_left(
    session: Tx, fake: clickbank_fake.ClickBank, fault: str
) -> None:
    account(session)
    make.product(session, clickbank_id="quiltpath", vendor="quiltpath")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.products["mynick"] = [{"sku": "1", "title": "Mine", "price": "27.00"}]
    fake.faults["products/list"] = fault

    with pytest.raises(ClickBankAway):
        sync("schedule")
    waiting = session.execute("SELECT id, state, seen FROM product_syncs").fetchall()
    fake.faults.clear()
    fake.asked.clear()
    session.execute("UPDATE product_syncs SET next_attempt_at = now()")
    report = syncing.run(waiting[0][0])

    assert waiting[0][1:] == ("pending", 1)
    assert counts(report) == (2, 1, 1, 0)
    assert not any(AFFILIATE in path for path, _ in fake.asked)


def test_an_integration_that_is_deleted_meanwhile_is_left_alone(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    user = account(session)
    account(session, nickname="other")
    fake.sold[AFFILIATE] = [("QUILTPATH", sold())]
    fake.before = lambda path: (
        session.execute("DELETE FROM integrations WHERE user_id = %s", (user["id"],))
        if "account=mynick" in path
        else None
    )

    report = sync()

    assert report.refused is None
    assert session.execute("SELECT DISTINCT account FROM vendor_sales").fetchall() == [("other",)]


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


def test_a_run_that_was_killed_goes_on_where_it_was(
    session: Tx, fake: clickbank_fake.ClickBank
) -> None:
    account(session)
    for n in range(20):
        make.product(session, clickbank_id=f"v{n}", vendor=f"v{n}")
    fake.page_size = 1
    fake.sold[AFFILIATE] = [(f"V{n}", sold("5")) for n in range(20)]
    command = [sys.executable, "-m", "ops", "products", "sync", "--source", "api", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as running:
        until(lambda: len(fake.asked) >= 5, 60, "questions")
        running.kill()
    before = session.execute("SELECT page FROM product_asks WHERE question = %s", [AFFILIATE])
    page = (before.fetchone() or (0,))[0]
    fake.asked.clear()
    session.execute("UPDATE product_syncs SET lease_until = now() - interval '1 second'")

    (sync_id,) = session.execute("SELECT id FROM product_syncs").fetchone() or (0,)
    report = syncing.run(sync_id)

    assert 3 <= page <= 20
    assert fake.asked[0][1] == str(page)
    assert counts(report) == (20, 0, 20, 0)
