"""What a sale owes its buyer, and what a refund takes back."""

import base64
from typing import Any
from uuid import UUID

import pytest

from db import deliveries
from db.connection import Tx
from db.deliveries import Sold
from tests import make
from tests.make import Made

BUYER = base64.b64encode(b"sealed").decode()


@pytest.fixture
def campaign(tx: Tx) -> Made:
    """A campaign without a bonus."""
    return make.campaign(tx)


def _sold(tx: Tx, campaign: Made, receipt: str = "R1", buyer: str | None = None) -> Sold:
    order = make.insert(tx, "orders", {"user_id": campaign["user_id"], "receipt": receipt})
    return Sold(
        str(campaign["user_id"]), str(campaign["id"]), order["id"], receipt, "0" * 32, buyer
    )


def _rows(tx: Tx, columns: str) -> list[Any]:
    return tx.execute(f"SELECT {columns} FROM bonus_deliveries ORDER BY id").fetchall()


def test_a_sale_owes_each_active_bonus_of_its_campaign_once(tx: Tx, campaign: Made) -> None:
    mailed = make.bonus(tx, campaign["id"])["id"]
    linked = make.bonus(tx, campaign["id"], delivery_method="download")["id"]
    make.bonus(tx, campaign["id"], is_active=False)
    make.bonus(tx, make.campaign(tx)["id"])
    sold = _sold(tx, campaign)

    new = [deliveries.owe(tx, [sold, sold]), deliveries.owe(tx, [sold])]

    assert new == [2, 0]
    assert sorted(_rows(tx, "kind, bonus_id")) == [("download", linked), ("email", mailed)]


def test_a_delivery_waits_for_an_address_and_is_due_with_one(tx: Tx, campaign: Made) -> None:
    make.bonus(tx, campaign["id"])
    sold = _sold(tx, campaign)
    deliveries.owe(tx, [sold, _sold(tx, campaign, "R2", BUYER)])
    before = _rows(tx, "next_attempt_at = '9999-12-31Z', address")

    deliveries.owe(tx, [sold._replace(buyer=BUYER)])

    assert before == [(True, None), (False, b"sealed")]
    assert _rows(tx, "next_attempt_at < now() + interval '1 s', address") == [(True, b"sealed")] * 2
    assert _rows(tx, "state")[0] == ("pending",)


def test_an_address_nobody_can_read_is_none(tx: Tx, campaign: Made) -> None:
    make.bonus(tx, campaign["id"])

    deliveries.owe(tx, [_sold(tx, campaign, buyer="no base64!")])

    assert _rows(tx, "address") == [(None,)]


def test_a_sale_wakes_the_claims_that_wait_for_it(tx: Tx, campaign: Made) -> None:
    usual = {"user_id": campaign["user_id"], "campaign_id": campaign["id"]}
    for item_id, folded in (("mine", "R1A"), ("other", "R2")):
        claim = {"item_id": item_id, "receipt": folded.lower(), "folded": folded}
        make.insert(tx, "bonus_claims", usual | claim | {"next_attempt_at": "2999-01-01"})

    deliveries.owe(tx, [_sold(tx, campaign, "R1a")])

    woken = "SELECT item_id FROM bonus_claims WHERE next_attempt_at < '2999-01-01'"
    assert tx.execute(woken).fetchall() == [("mine",)]


def test_dead_letters_lose_their_address_after_a_while(tx: Tx, campaign: Made) -> None:
    make.bonus(tx, campaign["id"])
    deliveries.owe(tx, [_sold(tx, campaign, f"R{n}", BUYER) for n in range(3)])
    tx.execute("UPDATE bonus_deliveries SET state = 'dead' WHERE receipt <> 'R0'")
    tx.execute(
        "UPDATE bonus_deliveries SET next_attempt_at = now() - interval '91 days'"
        " WHERE receipt <> 'R1'"
    )

    forgotten = deliveries.forget(tx, 90, 10)

    assert forgotten == 1
    assert _rows(tx, "receipt, address IS NULL") == [("R0", False), ("R1", False), ("R2", True)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"state": "pending"}, ("done", "cancelled", None)),
        ({"state": "dead", "reason": "refused"}, ("done", "cancelled", None)),
        (
            {"state": "done", "outcome": "delivered", "delivered_at": "2026-01-01"},
            ("done", "delivered", None),
        ),
        ({"state": "running"}, ("running", None, b"sealed")),
    ],
    ids=["waiting", "dead", "delivered", "on_its_way"],
)
def test_a_refund_cancels_or_revokes(
    tx: Tx, campaign: Made, before: dict[str, Any], after: tuple[Any, ...]
) -> None:
    bonus: UUID = make.bonus(tx, campaign["id"], delivered_count=7)["id"]
    sold, kept = _sold(tx, campaign), _sold(tx, campaign, "R2")
    usual = {
        "kind": "email", "user_id": campaign["user_id"], "campaign_id": campaign["id"],
        "bonus_id": bonus, "receipt": "R", "address": b"sealed",
    }  # fmt: skip
    make.insert(tx, "bonus_deliveries", usual | {"order_id": sold.order_id} | before)
    make.insert(tx, "bonus_deliveries", usual | {"order_id": kept.order_id})

    deliveries.reverse(tx, [sold.order_id])
    deliveries.reverse(tx, [sold.order_id])

    rows = _rows(tx, "state, outcome, address, revoked_at IS NULL")
    assert rows == [(*after, False), ("pending", None, b"sealed", True)]
    assert tx.execute("SELECT delivered_count FROM bonuses").fetchone() == (7,)
