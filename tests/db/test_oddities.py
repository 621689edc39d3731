"""Oddities: counted as things are now, not as they were told first."""

from datetime import timedelta

import pytest

from base.clock import now
from db import oddities
from db.connection import Tx
from tests import make
from tests.make import Made

DAY = timedelta(days=1)


@pytest.fixture
def order(tx: Tx) -> Made:
    """An order of a campaign, of which nothing was told yet."""
    campaign = make.campaign(tx)
    return make.order(tx, campaign["user_id"], campaign_id=campaign["id"])


def refund(tx: Tx, order: Made, revenue: str = "-10.00") -> Made:
    flags = ["orphan"]
    return make.receipt(tx, order, type="refund", state="refund", revenue=revenue, flags=flags)


def found(tx: Tx) -> dict[str, int]:
    return {kind: count for kind, count in oddities.counts(tx, now() - DAY).items() if count}


def test_a_refund_without_its_payment_is_an_orphan(tx: Tx, order: Made) -> None:
    refund(tx, order)

    assert found(tx) == {"orphan": 1}


def test_when_the_payment_comes_it_is_none_any_more(tx: Tx, order: Made) -> None:
    refund(tx, order)
    make.receipt(tx, order)

    assert found(tx) == {}


def test_unless_it_takes_back_more_than_was_paid(tx: Tx, order: Made) -> None:
    refund(tx, order, "-10.01")
    make.receipt(tx, order)

    assert found(tx) == {"excess": 1}


def test_a_payment_of_another_role_or_receipt_pays_for_no_refund(tx: Tx, order: Made) -> None:
    make.receipt(tx, order, type="refund", revenue="-1.00", role="VENDOR", flags=["orphan"])
    make.receipt(tx, order, role="AFFILIATE")
    make.receipt(tx, order, receipt="other")

    assert found(tx) == {"orphan": 1}


def test_an_order_counts_once_and_old_ones_do_not(tx: Tx, order: Made) -> None:
    for created_at in (now(), now(), now() - 2 * DAY):
        make.receipt(tx, order, flags=["conflict", "no_rate"], created_at=created_at)
    old = make.order(tx, order["user_id"], campaign_id=order["campaign_id"])
    make.receipt(tx, old, flags=["conflict"], created_at=now() - 2 * DAY)

    assert found(tx) == {"conflict": 1, "no_rate": 1}


def test_only_what_was_paid_can_be_unattributed(tx: Tx, order: Made) -> None:
    sold, announced = (make.order(tx, order["user_id"]) for _ in range(2))
    make.order(tx, order["user_id"])  # an upsell's parent, of which nothing was told
    make.receipt(tx, sold)
    make.receipt(tx, announced, state="pending", verdict="noted", revenue=None)
    make.receipt(tx, order)

    assert found(tx) == {"unattributed": 1}
