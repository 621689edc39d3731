"""One sale by many roads, one after the other or all at once, is one event."""

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from base.clock import now
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.workers.items import claimed, sale
from tests.workers.paying import API, INS, PIXEL, POSTBACK, clicked, ledger, paid, tell, total
from workers.outcome import Outcome
from workers.store import store

pytestmark = pytest.mark.usefixtures("journal")


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def campaign(session: Tx) -> make.Made:
    return make.campaign(session)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_one_sale_by_four_roads_is_one_event_of_the_most_trusted_amount(
    session: Tx, campaign: make.Made, order: tuple[int, ...]
) -> None:
    click, user = clicked(campaign), campaign["user_id"]
    roads = [
        sale(user, "41.37", receipt="QX7PLM2E", role="AFFILIATE", clicks=[click], **INS),
        sale(user, "41.00", receipt="QX7PLM2E", click=click, **POSTBACK),
        sale(user, "99.00", meta={"order_id": "QX7PLM2E"}, campaign=str(campaign["id"]), **PIXEL),
        sale(user, "40.00", receipt="QX7PLM2E", click=click, **API),
    ]  # fmt: skip

    tell(*[roads[at] for at in order])

    assert paid(session, "event_type", "revenue") == [("conversion", Decimal("41.37"))]
    assert paid(session, "campaign_id") == [campaign["id"]]
    assert paid(session, "metadata")[0]["trust"] == "ins"


@pytest.mark.parametrize("first", [INS, PIXEL], ids=["trusted", "untrusted"])
def test_the_road_that_knows_the_buyer_may_come_second(
    session: Tx, campaign: make.Made, first: dict[str, str]
) -> None:
    make.bonus(session, campaign["id"])
    about = {"receipt": "R1", "campaign": str(campaign["id"])}

    tell(
        sale(campaign["user_id"], "9.00", **about, **first),
        sale(campaign["user_id"], "9.00", **about, **API, buyer="c2VhbGVk"),
    )

    owed = session.execute("SELECT address FROM bonus_deliveries").fetchall()
    assert owed == [(b"sealed",)]


def test_a_trusted_word_on_the_same_amount_outweighs_a_later_other_one(
    session: Tx, campaign: make.Made
) -> None:
    user = campaign["user_id"]

    tell(
        sale(user, "41.37", receipt="A1B2C3D4", **PIXEL),
        sale(user, "41.37", receipt="A1B2C3D4", **INS),
        sale(user, "12.00", receipt="A1B2C3D4", **POSTBACK),
    )

    assert paid(session, "revenue") == [Decimal("41.37")]
    assert paid(session, "metadata")[0]["trust"] == "ins"


def test_the_same_number_of_another_currency_is_another_amount(
    session: Tx, campaign: make.Made
) -> None:
    session.execute("INSERT INTO rates VALUES ('EUR', current_date - 2, 2)")
    session.commit()
    user = campaign["user_id"]

    tell(
        sale(user, "10.00", receipt="A1B2C3D4", currency="EUR", **API),
        sale(user, "10.00", receipt="A1B2C3D4", **INS),
    )

    assert paid(session, "revenue") == [Decimal("10.00")]
    assert not {"rate", "amount", "currency"} & set(paid(session, "metadata")[0])


def test_seller_and_affiliate_of_one_sale_are_two_payments(
    session: Tx, campaign: make.Made
) -> None:
    user = campaign["user_id"]

    tell(
        sale(user, "10.00", receipt="A1B2C3D4", role="AFFILIATE", **INS),
        sale(user, "30.00", receipt="A1B2C3D4", role="VENDOR", **INS),
        sale(user, "30.00", receipt="A1B2C3D4", role="VENDOR", **INS),
    )

    assert paid(session, "revenue") == [Decimal("10.00"), Decimal("30.00")]


def test_two_networks_may_give_the_same_receipt_to_different_sales(
    session: Tx, campaign: make.Made
) -> None:
    user, other = campaign["user_id"], POSTBACK | {"integration": str(UUID(int=2))}

    tell(sale(user, receipt="1001", **POSTBACK), sale(user, receipt="1001", **other))

    assert total(session) == 20


def test_two_tenants_with_one_receipt_have_a_sale_each(session: Tx) -> None:
    ours, theirs = make.campaign(session), make.campaign(session)

    tell(
        sale(ours["user_id"], "10.00", receipt="QX7PLM2E", **API),
        sale(theirs["user_id"], "20.00", receipt="QX7PLM2E", **API),
    )

    assert paid(session, "user_id", "revenue") == [
        (ours["user_id"], Decimal("10.00")),
        (theirs["user_id"], Decimal("20.00")),
    ]


def test_without_an_order_id_a_click_converts_once(session: Tx, campaign: make.Made) -> None:
    click = clicked(campaign)
    first = sale(campaign["user_id"], click=click, **POSTBACK)

    tell(first, sale(campaign["user_id"], "12.00", click=click, **POSTBACK))

    assert paid(session, "revenue") == [Decimal("10.00"), None]
    assert paid(session, "metadata")[1]["duplicate_of"] == first["id"]
    assert paid(session, "metadata")[1]["amount"] == "12.00"


@pytest.mark.parametrize(
    ("policy", "revenues"),
    [("first", ["10.00"]), ("update", ["12.00"]), ("add", ["10.00", "12.00"]),
     ("ignore", ["10.00"])],
)  # fmt: skip
def test_an_integration_says_what_a_repeat_does(
    session: Tx, campaign: make.Made, policy: str, revenues: list[str]
) -> None:
    told: dict[str, Any] = {"receipt": "1", "duplicates": policy, **POSTBACK}

    tell(sale(campaign["user_id"], **told), sale(campaign["user_id"], "12.00", **told))

    assert [str(one) for one in paid(session, "revenue")] == revenues


def test_doors_that_tell_of_the_same_sales_at_once_make_one_event_each(
    session: Tx, campaign: make.Made
) -> None:
    click, user = clicked(campaign), campaign["user_id"]
    roads: list[dict[str, Any]] = [
        {"amount": "40.00", "role": "AFFILIATE", "clicks": [click], **INS},
        {"amount": "41.00", "click": click, **POSTBACK},
        {"amount": "42.00", "click": click, **API},
        {"amount": "99.00", "campaign": str(campaign["id"]), **PIXEL},
    ]
    batches = [
        [sale(user, receipt=f"R{at}", **road) for at in range(40)] for road in roads for _ in (1, 2)
    ]
    for at, one in enumerate(batches):
        random.Random(at).shuffle(one)  # so that locks are wanted in all orders

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell_at_once, batches))

    assert paid(session, "revenue") == [Decimal("40.00")] * 40
    assert len({meta["receipt"] for meta in paid(session, "metadata")}) == 40


def tell_at_once(items: list[Any]) -> None:
    with transaction() as tx:
        store(tx, Kind.CONVERSIONS, [claimed(*items)], now(), Outcome(Kind.CONVERSIONS))


def test_an_amount_is_corrected_as_often_as_the_network_says(
    session: Tx, campaign: make.Made
) -> None:
    told = {"receipt": "R", "role": "VENDOR", "duplicates": "update", **INS}
    amounts = ("10.00", "12.00", "11.00")

    tell(
        sale(campaign["user_id"], "9.00", receipt="R", **POSTBACK),
        *[sale(campaign["user_id"], amount, **told) for amount in amounts],
    )

    assert paid(session, "revenue") == [Decimal("11.00")]


# --- what may not grow, or go unseen


@pytest.mark.parametrize("first", ["refund", "rejected"])
def test_a_sale_refunded_and_rejected_is_flagged_as_taken_back_twice(
    session: Tx, campaign: make.Made, first: str
) -> None:
    user, about = campaign["user_id"], {"receipt": "R1", "campaign": str(campaign["id"])}
    refund = sale(user, "9.00", type="refund", **about, **INS)
    rejected = sale(user, "9.00", state="rejected", **about, **POSTBACK)
    tell(sale(user, "9.00", **about, **POSTBACK))

    tell(*([refund, rejected] if first == "refund" else [rejected, refund]))

    flags = session.execute("SELECT flags FROM receipts ORDER BY id").fetchall()
    assert [row[0] for row in flags] == [[], [], ["excess"]]
    assert sum(bool(meta.get("excess")) for meta in paid(session, "metadata")) == 1


def test_a_rejected_sale_owes_nothing_when_its_buyer_is_told_late(
    session: Tx, campaign: make.Made
) -> None:
    user, about = campaign["user_id"], {"receipt": "R1", "campaign": str(campaign["id"])}
    tell(sale(user, "9.00", **about, **API), sale(user, "9.00", state="rejected", **about, **API))
    make.bonus(session, campaign["id"])

    tell(sale(user, "9.00", state="pending", **about, **API, buyer="c2VhbGVk"))

    assert session.execute("SELECT count(*) FROM bonus_deliveries").fetchone() == (0,)


def test_a_pixel_that_repeats_itself_fills_no_ledger(session: Tx, campaign: make.Made) -> None:
    user, about = campaign["user_id"], {"receipt": "R1", "campaign": str(campaign["id"])}

    with transaction() as tx:
        repeats = [sale(user, "9.00", **about, **PIXEL) for _ in range(300)]
        store(tx, Kind.CONVERSIONS, [claimed(*repeats)], now())
    tell(sale(user, "8.00", **about, **INS))

    assert len(ledger(session)) == 201
    assert paid(session, "revenue") == [Decimal("8.00")]
