"""Which click and campaign a payment follows, and what speaks against it."""

from decimal import Decimal

import pytest

from base.clock import wall_ms
from base.ids import uuid7_hex
from db.connection import Tx
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.workers.items import item, rows, sale
from tests.workers.paying import API, INS, MINUTE, PIXEL, POSTBACK, clicked, paid, tell
from workers.held import release_conversions

pytestmark = pytest.mark.usefixtures("journal")


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def campaign(session: Tx) -> make.Made:
    return make.campaign(session)


def test_an_upsell_follows_the_first_sale_whichever_is_told_first(
    session: Tx, campaign: make.Made
) -> None:
    click, user = clicked(campaign), campaign["user_id"]
    first = sale(user, receipt="FIRST", clicks=[click], **INS)
    upsell = sale(user, receipt="SECOND", parent="FIRST", **INS)

    tell(upsell, first, sale(user, receipt="THIRD", parent="FIRST", **INS))

    assert paid(session, "campaign_id") == [campaign["id"]] * 3
    assert {meta["click_id"] for meta in paid(session, "metadata")} == {click}


def test_ids_that_contradict_each_other_are_flagged_and_none_is_taken(
    session: Tx, campaign: make.Made
) -> None:
    other = make.campaign(session, user_id=campaign["user_id"])

    tell(sale(campaign["user_id"], clicks=[clicked(campaign), clicked(other)], receipt="R", **INS))

    assert paid(session, "campaign_id") == [None]
    assert paid(session, "metadata")[0]["conflict"] is True


def test_another_users_click_brings_nothing(session: Tx, campaign: make.Made) -> None:
    stranger = make.user(session)

    tell(sale(stranger["id"], click=clicked(campaign), receipt="R", **POSTBACK))

    assert paid(session, "user_id", "campaign_id") == [(stranger["id"], None)]
    assert paid(session, "metadata")[0]["orphan"] is True


def test_a_click_counts_for_as_long_as_its_campaign_says(session: Tx) -> None:
    campaign = make.campaign(session, settings={"attribution_days": 1})
    fresh, old = clicked(campaign, 23 * 60), clicked(campaign, 25 * 60)

    tell(
        sale(campaign["user_id"], click=fresh, receipt="A", **API),
        sale(campaign["user_id"], click=old, receipt="B", **API),
    )

    assert paid(session, "campaign_id") == [campaign["id"], None]
    assert paid(session, "metadata")[1]["outside_window"] is True


def test_a_sale_waits_for_its_click(session: Tx, campaign: make.Made) -> None:
    late = uuid7_hex(wall_ms())
    tell(sale(campaign["user_id"], click=late, receipt="R", **POSTBACK))
    before = rows(session)
    tell(item(campaign["user_id"], campaign["id"], id=late, door="r"), kind=Kind.CLICKS)
    session.execute("UPDATE held_events SET next_attempt_at = now()")
    session.commit()

    release_conversions()

    assert before == []
    assert paid(session, "campaign_id") == [campaign["id"]]


@pytest.mark.parametrize("ahead", [60 * MINUTE, 70 * 365 * 24 * 60 * MINUTE], ids=["hour", "life"])
def test_a_click_of_the_future_is_not_waited_for(
    session: Tx, campaign: make.Made, ahead: int
) -> None:
    tell(sale(campaign["user_id"], click=uuid7_hex(wall_ms() + ahead), receipt="R", **POSTBACK))

    assert paid(session, "campaign_id") == [None]


def test_a_sale_inherits_what_is_known_of_its_click(session: Tx, campaign: make.Made) -> None:
    click = clicked(campaign, source="mail", meta={"sub1": "red", "country": "DE", "ip": "x"})

    tell(sale(campaign["user_id"], click=click, receipt="R", **POSTBACK))

    assert paid(session, "source") == ["mail"]
    meta = paid(session, "metadata")[0]
    assert (meta["sub1"], meta["country"], "ip" in meta) == ("red", "DE", False)


def test_a_row_whose_amount_was_corrected_still_gets_its_campaign(
    session: Tx, campaign: make.Made
) -> None:
    user = campaign["user_id"]

    tell(
        sale(user, "9.00", receipt="R", **API),
        sale(user, "10.00", receipt="R", role="VENDOR", **INS),
        sale(user, "10.00", receipt="R", click=clicked(campaign), **POSTBACK),
    )

    assert paid(session, "campaign_id", "revenue") == [(campaign["id"], Decimal("10.00"))]


def test_a_click_that_is_told_late_reaches_rows_of_its_campaign(
    session: Tx, campaign: make.Made
) -> None:
    click, user = clicked(campaign), campaign["user_id"]

    tell(
        sale(user, receipt="R", campaign=str(campaign["id"]), **PIXEL),
        sale(user, receipt="R", clicks=[click], role="AFFILIATE", **INS),
    )

    [row] = paid(session, "metadata")
    assert row["click_id"] == click


def test_a_campaign_that_is_not_its_receipts_is_flagged(session: Tx, campaign: make.Made) -> None:
    user = campaign["user_id"]
    other = make.campaign(session, user_id=user)

    tell(
        sale(user, receipt="R", click=clicked(campaign), **POSTBACK),
        sale(user, type="rebill", receipt="R", campaign=str(other["id"]), **API),
    )

    assert paid(session, "campaign_id") == [campaign["id"], other["id"]]
    assert paid(session, "metadata")[1]["conflict"] is True
