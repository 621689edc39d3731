"""Telling: what happens is a fact in its own transaction, where somebody listens."""

from typing import Any

import pytest

from db.connection import Tx
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.workers.items import item, sale
from tests.workers.paying import API, INS, PIXEL, POSTBACK, clicked, tell
from tests.workers.workflows.listening import facts, listener, matched, runs


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign and its user."""
    return make.campaign(session)


def test_nothing_is_told_while_nobody_listens(session: Tx, campaign: Made) -> None:
    click = clicked(campaign)
    tell(sale(campaign["user_id"], click=click, **API))

    assert facts(session) == []


def test_a_click_reaches_the_workflow_that_listens(session: Tx, campaign: Made) -> None:
    workflow = listener(session, campaign["user_id"], "click", where=["event.sub1 == 'x'"])
    click = item(
        campaign["user_id"], campaign["id"], source="mail", meta={"sub1": "x", "country": "DE"}
    )

    tell(click, kind=Kind.CLICKS)
    matched()

    (run,) = runs(session)
    assert (run["workflow_id"], run["version"], run["trigger"]) == (workflow["id"], 1, "event")
    assert (run["campaign_id"], run["depth"], run["state"]) == (campaign["id"], 1, "pending")
    event = run["input"]["event"]
    assert (event["type"], event["click_id"], event["id"]) == ("click", click["id"], click["id"])
    assert (event["source"], event["sub1"], event["country"]) == ("mail", "x", "DE")
    assert event["campaign_id"] == str(campaign["id"])
    assert run["input"]["number"] == 1
    assert facts(session) == []  # clicks are many, and events already


def test_only_people_click(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "click")
    bot = item(campaign["user_id"], campaign["id"], meta={"ua": "", "bot": "burst"})
    view = item(campaign["user_id"], campaign["id"], type="view", meta={})

    outcome = tell(bot, view, kind=Kind.CLICKS)

    assert outcome.stored == 1
    assert facts(session) == []


def test_a_click_told_twice_is_told_once(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "click")
    click = item(campaign["user_id"], campaign["id"], event_id="mine", meta={})

    tell(click, item(campaign["user_id"], campaign["id"], event_id="mine", meta={}),
         kind=Kind.CLICKS)  # fmt: skip

    assert [fact["ref"] for fact in facts(session)] == [click["id"]]


def test_a_click_of_another_user_is_not_told(session: Tx, campaign: Made) -> None:
    listener(session, make.user(session)["id"], "click")

    tell(item(campaign["user_id"], campaign["id"], meta={}), kind=Kind.CLICKS)

    assert facts(session) == []


def test_a_sale_reaches_the_workflow_that_listens(session: Tx, campaign: Made) -> None:
    workflow = listener(
        session, campaign["user_id"], "conversion", where=["event.revenue >= 50"]
    )  # fmt: skip
    click = clicked(campaign, source="mail", meta={"sub1": "x", "ua": "x", "country": "DE"})
    cheap = sale(campaign["user_id"], "49.99", click=click, receipt="A", **INS)
    dear = sale(campaign["user_id"], "50.00", click=click, receipt="B", **INS)

    tell(cheap, dear)
    matched()

    (run,) = runs(session)
    assert (run["workflow_id"], run["campaign_id"]) == (workflow["id"], campaign["id"])
    event = run["input"]["event"]
    assert (event["type"], event["revenue"], event["receipt"]) == ("conversion", "50.00", "B")
    assert (event["click_id"], event["source"], event["sub1"]) == (click, "mail", "x")
    assert (event["currency"], event["trust"], event["order_id"]) == ("USD", "ins", "B")
    assert [(one["outcome"], one["ref"]) for one in facts(session)] == [
        ("unmatched", "A"), ("matched", "B"),
    ]  # fmt: skip


def test_a_bare_pixel_fires_nothing_until_somebody_trusted_tells(
    session: Tx, campaign: Made
) -> None:
    listener(session, campaign["user_id"], "conversion")
    click = clicked(campaign)
    sold: Any = {"click": click, "receipt": "R"}

    tell(sale(campaign["user_id"], "10.00", **sold, **PIXEL))
    before = facts(session)
    tell(sale(campaign["user_id"], "12.00", **sold, **POSTBACK))
    tell(sale(campaign["user_id"], "12.00", **sold, **INS))

    assert before == []
    (fact,) = facts(session)
    assert (fact["ref"], fact["data"]["revenue"]) == ("R", "12.00")


@pytest.mark.parametrize("kind", ["refund", "rebill"])
def test_refunds_and_rebills_are_told(session: Tx, campaign: Made, kind: str) -> None:
    listener(session, campaign["user_id"], kind)
    click = clicked(campaign)
    sold: Any = {"click": click, "receipt": "R"} | INS

    tell(
        sale(campaign["user_id"], "10.00", **sold),
        sale(campaign["user_id"], "10.00", **sold, type=kind, reason="asked"),
    )

    (fact,) = facts(session)
    assert (fact["kind"], fact["campaign_id"]) == (kind, campaign["id"])
    assert fact["data"]["revenue"] == {"refund": "-10.00", "rebill": "10.00"}[kind]


def test_a_sale_that_is_rejected_later_is_a_refund(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund")
    sold: Any = {"click": clicked(campaign), "receipt": "R"} | POSTBACK
    tell(sale(campaign["user_id"], "10.00", **sold))

    for _ in range(2):
        tell(sale(campaign["user_id"], "10.00", **sold, state="rejected"))

    (fact,) = facts(session)
    assert (fact["data"]["type"], fact["data"]["revenue"]) == ("refund", "-10.00")
    assert fact["data"]["reason"] == "rejected"


def test_a_payment_whose_transaction_is_undone_is_not_told(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "conversion")
    good = sale(campaign["user_id"], receipt="A", **API)
    bad = sale(campaign["user_id"], receipt="B", meta={"sub1": "\0"}, **API)

    tell(good, bad)

    assert [fact["ref"] for fact in facts(session)] == ["A"]


def test_nothing_of_the_buyer_is_told(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "conversion")
    secret = {"ip": "192.0.2.0", "ua": "canary", "referrer": "https://canary", "email": "canary"}

    tell(sale(campaign["user_id"], receipt="A", buyer="Y2FuYXJ5", meta=secret, **INS))

    (fact,) = facts(session)
    assert "canary" not in str(fact)
    assert "192.0.2" not in str(fact)
