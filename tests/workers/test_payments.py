"""Payments: whatever doors tell, in whatever order and how often, each counts once."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from base.clock import wall_ms
from base.ids import uuid7_hex
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.items import sale
from tests.workers.paying import INS, POSTBACK, clicked, ledger, paid, tell, total

pytestmark = pytest.mark.usefixtures("journal")


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def campaign(session: Tx) -> make.Made:
    return make.campaign(session)


# --- refunds


def refund(user: Any, amount: str = "10.00", **more: Any) -> Any:
    return sale(user, amount, type="refund", **more)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_life_told_in_any_order_and_thrice_sums_up_alike(
    session: Tx, campaign: make.Made, order: tuple[int, ...]
) -> None:
    click, user = clicked(campaign), campaign["user_id"]
    life = [
        sale(user, "40.00", receipt="R1", clicks=[click], **INS),
        sale(user, "9.00", type="rebill", receipt="R1-B002", **INS),
        refund(user, "40.00", receipt="R1", number="t1", **INS),
        refund(user, "9.00", receipt="R1-B002", number="t2", state="chargeback",
               reason="chargeback", **INS),
    ]  # fmt: skip

    tell(*[{**life[at], "id": uuid7_hex(wall_ms())} for _ in range(3) for at in order])

    assert sorted(paid(session, "event_type", "revenue")) == [
        ("conversion", Decimal("40.00")),
        ("rebill", Decimal("9.00")),
        ("refund", Decimal("-40.00")),
        ("refund", Decimal("-9.00")),
    ]
    assert set(paid(session, "campaign_id")) == {campaign["id"]}
    assert not any("orphan" in meta for meta in paid(session, "metadata"))


def test_a_refund_of_nothing_known_is_an_orphan_until_it_is(
    session: Tx, campaign: make.Made
) -> None:
    user = campaign["user_id"]
    tell(refund(user, receipt="R1", reason="refund", **INS))
    before = paid(session, "metadata")[0]

    tell(sale(user, receipt="R1", campaign=str(campaign["id"]), **INS))

    assert before["orphan"] is True
    assert "orphan" not in paid(session, "metadata")[0]
    assert paid(session, "campaign_id") == [campaign["id"], campaign["id"]]


def test_what_exceeds_the_payment_is_flagged(session: Tx, campaign: make.Made) -> None:
    user = campaign["user_id"]

    tell(
        sale(user, receipt="R1", **INS),
        refund(user, "6.00", receipt="R1", number="1", **INS),
        refund(user, "6.00", receipt="R1", number="2", **INS),
    )

    assert [meta.get("excess") for meta in paid(session, "metadata")] == [None, None, True]


def test_a_sale_that_comes_again_brings_no_refunded_revenue_back(
    session: Tx, campaign: make.Made
) -> None:
    sold = sale(campaign["user_id"], receipt="R1", **INS)

    tell(sold, refund(campaign["user_id"], receipt="R1", **INS), {**sold, "id": make.batch_id()})

    assert total(session) == 0


def test_an_approval_that_its_rejection_overtook_counts_for_nothing(
    session: Tx, campaign: make.Made
) -> None:
    at = wall_ms() - 10

    def told(ms: int, receipt: str = "A-1", **more: Any) -> Any:
        return sale(campaign["user_id"], id=uuid7_hex(at + ms), receipt=receipt, **POSTBACK, **more)

    tell(told(1), told(3, state="rejected"), told(2))
    overtaken = total(session)
    tell(told(3, "B-1", state="rejected"), told(2, "B-1"))
    never = total(session)
    tell(told(4))

    assert [overtaken, never, total(session)] == [Decimal(0), Decimal(0), Decimal("10.00")]


def test_pending_counts_when_it_is_approved_and_is_taken_back_when_rejected(
    session: Tx, campaign: make.Made
) -> None:
    told: dict[str, Any] = {"receipt": "P1", **POSTBACK}
    user = campaign["user_id"]

    tell(sale(user, state="pending", **told))
    waiting = paid(session, "revenue")
    tell(sale(user, **told))
    approved = total(session)
    tell(sale(user, state="rejected", **told), sale(user, state="rejected", **told))

    assert waiting == []
    assert [approved, total(session)] == [10, 0]
    assert paid(session, "event_type") == ["conversion", "refund"]
    assert paid(session, "metadata")[1]["reason"] == "rejected"
    assert ledger(session) == ["noted", "counted", "reversed", "noted"]


# --- money of other countries


def test_other_currencies_count_in_dollars_of_the_day(session: Tx, campaign: make.Made) -> None:
    session.execute("INSERT INTO rates VALUES ('EUR', current_date - 2, 1.1)")
    session.commit()
    told: dict[str, Any] = {"door": "events", "amount": "10.00"}

    tell(
        sale(campaign["user_id"], currency="EUR", receipt="A", **told),
        sale(campaign["user_id"], currency="JPY", receipt="B", **told),
    )

    assert paid(session, "revenue") == [Decimal("11.00"), None]
    euro, yen = paid(session, "metadata")
    assert (euro["amount"], euro["currency"], euro["rate"]) == ("10.00", "EUR", "1.1")
    assert (yen["no_rate"], yen["currency"]) == (True, "JPY")
