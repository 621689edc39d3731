"""`hopfleet conversions`: the whole chain of a sale, from its click to its deliveries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from base.ids import time_of
from db.held import dead_item, deferred_item, hold
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def campaign(connect: Connect) -> Made:
    """Ann's."""
    session = connect()
    ann = make.user(session, email="ann@example.com")
    return make.campaign(session, user_id=ann["id"], name="Spring", tracking_id="spring")


@pytest.fixture
def sold(connect: Connect, campaign: Made) -> dict[str, Any]:
    """A sale told by pixel and INS, with an upsell, a rebill, a refund and a delivery."""
    session = connect()
    click = make.batch_id()
    make.event(
        session,
        campaign["user_id"],
        campaign_id=campaign["id"],
        source="newsletter",
        metadata={"click_id": click, "country": "US"},
        created_at=time_of(click),
    )
    known = {"click_id": click, "campaign_id": campaign["id"], "matched_by": "click_id"}
    order = make.order(session, campaign["user_id"], receipt="SALE1234", **known)
    upsell = make.order(
        session,
        campaign["user_id"],
        receipt="UPSELL12",
        parent="SALE1234",
        campaign_id=campaign["id"],
        matched_by="receipt",
    )
    first = make.receipt(session, order, door="p", amount="9.00", revenue="9.00", created_at=AT)
    make.receipt(
        session,
        order,
        door="clickbank",
        verdict="corrected",
        revenue="1.00",
        event_id=first["event_id"],
        created_at=AT,
    )
    make.receipt(
        session,
        order,
        door="postback",
        verdict="noted",
        amount="11.00",
        revenue=None,
        event_id=first["event_id"],
        created_at=AT,
    )
    make.receipt(session, upsell, revenue="5.00", created_at=AT + timedelta(minutes=1))
    make.receipt(
        session,
        upsell,
        type="refund",
        state="refund",
        revenue="-1.00",
        amount="-1.00",
        created_at=AT,
    )
    make.receipt(
        session,
        order,
        receipt="SALE1234-B002",
        type="rebill",
        state="rebill",
        revenue="7.00",
        created_at=AT + timedelta(days=30),
    )
    make.receipt(
        session,
        order,
        type="refund",
        state="chargeback",
        reason="chargeback",
        revenue="-12.00",
        flags=["excess"],
        created_at=AT + timedelta(days=31),
    )
    bonus = make.bonus(session, campaign["id"], name="Guide")
    delivery = make.insert(
        session,
        "bonus_deliveries",
        {
            "kind": "email",
            "user_id": campaign["user_id"],
            "campaign_id": campaign["id"],
            "bonus_id": bonus["id"],
            "order_id": order["id"],
            "receipt": "SALE1234",
            "state": "done",
            "outcome": "delivered",
            "delivered_at": AT,
        },
    )
    return {"click": click, "bonus": bonus, "delivery": delivery, "campaign": campaign}  # fmt: skip


def test_a_receipt_shows_the_whole_chain(run: Run, sold: dict[str, Any]) -> None:
    said = run("conversions", "show", "SALE1234", "--json").json

    assert said["receipt"] == "SALE1234"
    assert said["click_id"] == sold["click"]
    assert (said["campaign_id"], said["matched_by"]) == (str(sold["campaign"]["id"]), "click_id")
    assert said["events"] == [
        {
            "event_type": "conversion", "revenue": "10.00",
            "created_at": "2026-05-01T12:00:00Z", "reason": None,
        },
        {
            "event_type": "refund", "revenue": "-1.00",
            "created_at": "2026-05-01T12:00:00Z", "reason": "refund",
        },
        {
            "event_type": "conversion", "revenue": "5.00",
            "created_at": "2026-05-01T12:01:00Z", "reason": None,
        },
        {
            "event_type": "rebill", "revenue": "7.00",
            "created_at": "2026-05-31T12:00:00Z", "reason": None,
        },
        {
            "event_type": "refund", "revenue": "-12.00",
            "created_at": "2026-06-01T12:00:00Z", "reason": "chargeback",
        },
    ]  # fmt: skip
    assert said["deliveries"] == [
        {
            "bonus_id": str(sold["bonus"]["id"]), "state": "delivered",
            "delivered_at": "2026-05-01T12:00:00Z",
        }
    ]  # fmt: skip
    assert [order["receipt"] for order in said["orders"]] == ["SALE1234", "UPSELL12"]


@pytest.mark.parametrize("receipt", ["SALE1234-B002", "UPSELL12"])
def test_a_rebills_or_upsells_receipt_shows_its_family(
    run: Run, sold: dict[str, Any], receipt: str
) -> None:
    said = run("conversions", "show", receipt, "--json").json

    assert said["receipt"] == receipt
    assert len(said["events"]) == 5
    assert len(said["deliveries"]) == 1


def test_people_are_drawn_a_tree_with_roads_and_flags(run: Run, sold: dict[str, Any]) -> None:
    lines = [
        line.strip("│├└─ ") for line in run("conversions", "show", "SALE1234").out.splitlines()
    ]

    assert lines[0] == "SALE1234 of ann@example.com"
    assert lines[1].startswith(f"click {sold['click']}")
    assert lines[1].endswith(", newsletter, US")
    assert lines[2:] == [
        "SALE1234: Spring, matched by click id",
        "sale SALE1234, 2026-05-01 12:00:00: 10.00 USD",
        "by pixel: 9.00 USD, counted",
        "by INS: 10.00 USD, corrected the amount ← this amount counts",
        "by postback: 11.00 USD, changed nothing",
        "rebill SALE1234-B002, 2026-05-31 12:00:00: 7.00 USD",
        "by API: 10.00 USD, counted",
        "refund (chargeback) SALE1234, 2026-06-01 12:00:00: -12.00 USD",
        "by API: 10.00 USD, chargeback, counted",
        "! excess: more was taken back than was paid",
        "bonus Guide: delivered, 2026-05-01 12:00:00",
        "upsell UPSELL12: Spring, matched by receipt",
        "sale UPSELL12, 2026-05-01 12:01:00: 5.00 USD",
        "by API: 10.00 USD, counted",
        "refund UPSELL12, 2026-05-01 12:00:00: -1.00 USD",
        "by API: -1.00 USD, counted",
        "comes to 9.00 USD",
    ]


def test_a_receipt_of_two_users_asks_whose(run: Run, connect: Connect) -> None:
    session = connect()
    ann, bob = (make.user(session, email=f"{name}@example.com")["id"] for name in ("ann", "bob"))
    for user, revenue in ((ann, "1.00"), (bob, "2.00")):
        make.receipt(session, make.order(session, user, receipt="SAME"), revenue=revenue)

    unclear = run("conversions", "show", "SAME")
    said = run("conversions", "show", "SAME", "--user", "bob@example.com", "--json")

    assert unclear.code == 2
    assert "ann@example.com, bob@example.com: say whose by --user" in unclear.err
    assert [event["revenue"] for event in said.json["events"]] == ["2.00"]
    assert said.json["user_id"] == str(bob)


@pytest.mark.parametrize(
    ("delivery", "state"),
    [
        ({}, "waiting"),
        ({"address": b"sealed"}, "pending"),
        ({"state": "done", "outcome": "cancelled"}, "cancelled"),
        (
            {"state": "done", "outcome": "delivered", "delivered_at": AT, "revoked_at": AT},
            "revoked",
        ),
        ({"state": "dead", "reason": "outcome_unknown"}, "dead"),
    ],
)
def test_a_delivery_says_how_it_is(
    run: Run, connect: Connect, sold: dict[str, Any], delivery: dict[str, Any], state: str
) -> None:
    session = connect()
    session.execute("DELETE FROM bonus_deliveries")
    kept = ("kind", "user_id", "campaign_id", "bonus_id", "order_id", "receipt")
    columns = {name: sold["delivery"][name] for name in kept}
    make.insert(session, "bonus_deliveries", columns | delivery)

    said = run("conversions", "show", "SALE1234", "--json").json

    assert [one["state"] for one in said["deliveries"]] == [state]


def test_what_follows_no_click_says_so(run: Run, connect: Connect) -> None:
    session = connect()
    order = make.order(session, make.user(session)["id"], receipt="LONELY")
    make.receipt(session, order, state="pending", verdict="noted", revenue=None)

    said = run("conversions", "show", "LONELY", "--json").json
    drawn = run("conversions", "show", "LONELY").out

    assert (said["click_id"], said["matched_by"], said["events"]) == (None, "none", [])
    assert "no click is known" in drawn
    assert "unattributed, follows no campaign" in drawn
    assert ": pending, not counted" in drawn


@pytest.fixture
def orders(connect: Connect, campaign: Made) -> list[Made]:
    """A sale of the campaign, an old one without a campaign, and a refund nobody was paid for."""
    session = connect()
    bob = make.user(session, email="bob@example.com")["id"]
    made = [
        make.order(session, campaign["user_id"], campaign_id=campaign["id"], matched_by="click_id"),
        make.order(session, bob, created_at=AT),
        make.order(session, bob),
    ]
    for order in made[:2]:
        make.receipt(session, order)
    make.receipt(session, made[2], type="refund", state="refund", revenue="-4.00", flags=["orphan"])
    make.receipt(session, made[2], door="p", verdict="noted", state="pending", revenue=None)
    return made


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ([], [2, 1, 0]),
        (["--user", "bob@example.com"], [2, 1]),
        (["--campaign", "spring"], [0]),
        (["--since", "1h"], [2, 0]),
        (["--to", "1h"], [1]),
        (["--state", "refund"], [2]),
        (["--flag", "orphan"], [2]),
        (["--unattributed"], [2, 1]),
    ],
)
def test_orders_are_found_by_what_they_are(
    run: Run, orders: list[Made], words: list[str], places: list[int]
) -> None:
    said = run("conversions", "list", *words, "--json").json

    assert [item["receipt"] for item in said["items"]] == [orders[n]["receipt"] for n in places]


def test_orders_are_listed_page_by_page_with_what_they_come_to(
    run: Run, orders: list[Made]
) -> None:
    first = run("conversions", "list", "--limit", "2", "--json").json
    rest = run("conversions", "list", "--after", first["next"], "--json").json

    newest = first["items"][0]
    assert (newest["revenue"], newest["reports"]) == ("-4.00", 2)
    assert (newest["states"], newest["flags"]) == (["pending", "refund"], ["orphan"])
    assert [item["campaign"] for item in rest["items"]] == ["spring"]
    assert rest["next"] is None
    assert orders[0]["receipt"] in run("conversions", "list").out


def test_a_receipt_that_is_not_stored_yet_or_ever_says_so(run: Run, connect: Connect) -> None:
    session = connect()
    told: Any = {"id": make.batch_id(), "type": "conversion", "user": str(make.user(session)["id"])}
    for state in ("LATER", "NEVER"):
        item = told | {"receipt": state, "meta": {}}
        waits = deferred_item("conversions", make.batch_id(), 0, item, "click_pending")
        dead = dead_item("conversions", make.batch_id(), 0, item, "no_partition")
        hold(session, [waits if state == "LATER" else dead])

    later = run("conversions", "show", "LATER")
    never = run("conversions", "show", "NEVER")

    assert (later.code, never.code) == (1, 1)
    assert "waits for its click" in later.err
    assert "`hopfleet dead show event:" in never.err


@pytest.mark.parametrize(
    "words",
    [
        ("show", "unknown"),
        ("show", "unknown", "--user", "nobody@example.com"),
        ("list", "--state", "lost"),
        ("list", "--after", "x"),
        ("list", "--since", "soon"),
    ],
)
def test_what_is_not_there_is_wrong_use(run: Run, words: tuple[str, ...]) -> None:
    said = run("conversions", *words)

    assert said.code == 2
    assert said.err.startswith("hopfleet: ")
