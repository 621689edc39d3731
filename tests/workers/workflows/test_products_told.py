"""Products' events: who hears of what crossed a threshold, pays otherwise, vanished, is back."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from db.connection import Tx
from rules.trigger_words import sentence
from schemas.triggers import EventTrigger, Malformed, read
from schemas.workflow_events import WorkflowEvent
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.workers.workflows.listening import facts, listener, matched, runs


@pytest.fixture
def session(connect: Connect) -> Tx:
    return connect()


@pytest.fixture
def product(session: Tx) -> Made:
    return make.product(
        session, clickbank_id="quiltpath", gravity="49.99", commission_rate="50",
        commission_amount="20", category="Home & Garden > Crafts & Hobbies",
    )  # fmt: skip


@pytest.fixture
def campaign(session: Tx, product: Made) -> Made:
    return make.campaign(session, product_id=product["id"])


def _events(session: Tx) -> list[Any]:
    matched()
    events = [run["input"]["event"] for run in runs(session)]
    for event in events:
        WorkflowEvent.model_validate(event)
    return events


def _absent(session: Tx, product: Made, feeds: int) -> None:
    """Missing once more, as a sync counts it."""
    session.execute(
        "INSERT INTO product_absences AS a (product_id, feeds, since_sync, last_seen_at)"
        " VALUES (%s, 1, 1, now()) ON CONFLICT (product_id) DO UPDATE SET feeds = a.feeds + 1,"
        " vanished_at = CASE WHEN a.feeds + 1 >= %s THEN coalesce(a.vanished_at, now()) END",
        (product["id"], feeds),
    )


@pytest.mark.parametrize(
    ("config", "steps", "directions"),
    [
        ({"above": 50}, [49.98, 50, 51, 50, 49, 50.01], ["above", "above"]),
        ({"below": 20}, [20, 19.99, 5, 20, 3], ["below", "below"]),
        ({"above": 60, "below": 40}, [39.99, 40, 60, 59], ["below", "above"]),
        ({"above": 50}, [None, 80], []),
        ({"above": 50.5}, [50.49, 50.5], ["above"]),
    ],
)
def test_gravity_that_crosses_a_threshold_fires_each_time(
    session: Tx, campaign: Made, config: dict[str, Any], steps: list[Any], directions: list[str]
) -> None:
    listener(session, campaign["user_id"], "gravity_crossed", **config)

    for gravity in steps:
        session.execute("UPDATE products SET gravity = %s", (gravity,))
    told = len(facts(session))

    events = _events(session)
    assert [event["direction"] for event in events] == directions
    assert told == len(directions)  # judged before a fact is written
    assert {event["threshold"] for event in events} <= {str(one) for one in config.values()}


def test_a_run_is_of_each_campaign_of_the_owner_that_has_the_product(
    session: Tx, campaign: Made, product: Made
) -> None:
    user = campaign["user_id"]
    other = make.campaign(session, user_id=user, product_id=product["id"], status="paused")
    make.campaign(session, user_id=user, product_id=product["id"], status="completed")
    make.campaign(session, user_id=user)
    make.campaign(session, product_id=product["id"])  # somebody else's, who does not listen
    listener(session, user, "commission_changed", where=["event.commission_rate < 50"])
    make.product(session, commission_rate="50")

    session.execute("UPDATE products SET commission_rate = 40, gravity = 51")
    session.execute("UPDATE products SET gravity = 52, title = 'Other'")

    events = _events(session)
    assert {run["campaign_id"] for run in runs(session)} == {campaign["id"], other["id"]}
    assert len(events) == 2
    assert events[0]["before"]["commission_rate"] == "50.00"
    assert events[0]["clickbank_id"] == "quiltpath"


@pytest.mark.parametrize(
    ("config", "heard"),
    [
        ({}, []),
        ({"products": "campaigns"}, []),
        ({"products": ["QuiltPath", "nobody"]}, ["quiltpath"]),
        ({"products": "all"}, ["fitbook", "quiltpath"]),
        ({"category": "home & garden"}, ["quiltpath"]),
        ({"category": "Home & Garden > Crafts & Hobbies"}, ["quiltpath"]),
        ({"category": "Home"}, []),
        ({"category": "Fitness", "products": ["quiltpath", "fitbook"]}, ["fitbook"]),
    ],
)
@pytest.mark.parametrize("kind", ["commission_changed", "product_changed"])
def test_products_of_no_campaign_are_told_to_whom_names_them(
    session: Tx, product: Made, kind: str, config: dict[str, Any], heard: list[str]
) -> None:
    user = make.user(session)["id"]
    if kind == "product_changed" and not config:
        config = {"products": "campaigns"}
    listener(session, user, kind, **config)
    make.product(session, clickbank_id="fitbook", category="Fitness", commission_amount="1")

    session.execute("UPDATE products SET commission_amount = 25")

    assert len(facts(session)) == len(heard)
    events = _events(session)
    assert sorted(event["clickbank_id"] for event in events) == heard
    assert {run["campaign_id"] for run in runs(session)} <= {None}


def test_who_names_nothing_hears_of_every_product_beside_who_names_some(
    session: Tx, campaign: Made, product: Made
) -> None:
    wide = listener(session, make.user(session)["id"], "product_changed")
    narrow = listener(session, campaign["user_id"], "product_changed", products="campaigns")
    make.product(session)

    session.execute("UPDATE products SET gravity = 7")
    _events(session)

    fired = [run["workflow_id"] for run in runs(session)]
    assert sorted(fired, key=str) == sorted([wide["id"], wide["id"], narrow["id"]], key=str)


def test_a_campaign_named_by_the_trigger_hears_alone(session: Tx, campaign: Made) -> None:
    user = campaign["user_id"]
    make.campaign(session, user_id=user, product_id=campaign["product_id"])
    listener(session, user, "product_changed", campaign=campaign["tracking_id"])

    session.execute("UPDATE products SET gravity = 7")
    _events(session)

    assert [run["campaign_id"] for run in runs(session)] == [campaign["id"]]


def test_a_product_vanishes_once_and_is_back_once(
    session: Tx, campaign: Made, product: Made
) -> None:
    for kind in ("product_vanished", "product_returned"):
        listener(session, campaign["user_id"], kind)

    for _ in range(2):
        _absent(session, product, 3)
    soon = facts(session)
    for _ in range(3):
        _absent(session, product, 3)
    session.execute("DELETE FROM product_absences")
    _absent(session, product, 3)
    session.execute("DELETE FROM product_absences")  # missed by one feed: nobody is told

    assert soon == []
    events = _events(session)
    assert [event["type"] for event in events] == ["product_vanished", "product_returned"]
    assert events[0]["vanished_at"] == events[1]["vanished_at"]
    assert {run["campaign_id"] for run in runs(session)} == {campaign["id"]}


def test_a_product_that_is_deleted_is_not_back(session: Tx, campaign: Made, product: Made) -> None:
    listener(session, campaign["user_id"], "product_returned", products="all")
    for _ in range(3):
        _absent(session, product, 3)

    session.execute("DELETE FROM products")

    assert facts(session) == []


@pytest.mark.parametrize("category", [None, "", " > ", "A > A", " > A > "])
def test_a_product_of_an_odd_category_is_told_once(session: Tx, category: str | None) -> None:
    listener(session, make.user(session)["id"], "commission_changed", products="all")
    make.product(session, category=category)

    session.execute("UPDATE products SET commission_rate = 7")

    assert len(facts(session)) == 1


@pytest.mark.parametrize(
    "config",
    [
        [], 7, {"above": "50"}, {"above": {}, "below": []}, {"above": 1e300, "products": 7},
        {"products": {}, "category": []}, {"products": [[], None, 3]}, {"category": None},
    ],
)  # fmt: skip
def test_no_trigger_keeps_a_product_from_being_changed(
    session: Tx, campaign: Made, config: Any
) -> None:
    for kind in ("gravity_crossed", "product_changed", "commission_changed"):
        row = listener(session, campaign["user_id"], kind)
        session.execute(
            "UPDATE workflows SET trigger_config = %s WHERE id = %s", (Jsonb(config), row["id"])
        )

    session.execute("UPDATE products SET gravity = 7")

    matched()
    assert session.execute("SELECT gravity FROM products").fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"event": "gravity_crossed"}, "say `above` or `below`"),
        ({"event": "gravity_crossed", "above": "50"}, "valid number"),
        ({"event": "gravity_crossed", "above": -1}, "greater than or equal to 0"),
        ({"event": "product_vanished", "below": 3}, "only with gravity_crossed"),
        ({"event": "click", "products": "all"}, "only with products' events"),
        ({"event": "product_changed", "products": []}, "at least 1 item"),
    ],
)
def test_what_a_trigger_of_products_cannot_mean_is_refused(
    config: dict[str, Any], said: str
) -> None:
    with pytest.raises(Malformed, match=said):
        read("event", config)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"event": "gravity crossed", "above": 50},
            "when the gravity of a campaign's product changes to 50 or more",
        ),
        (
            {"event": "product_vanished", "category": "Fitness"},
            "when a product in Fitness vanishes",
        ),
        (
            {"event": "commission_changed", "products": ["fitbook", "quiltpath"]},
            "when the commission of one of fitbook, quiltpath changes",
        ),
    ],
)
def test_triggers_of_products_read_as_sentences(config: dict[str, Any], said: str) -> None:
    trigger = read("event", config)

    assert isinstance(trigger, EventTrigger)
    assert sentence(trigger) == said
