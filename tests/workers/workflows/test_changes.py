"""What others change by SQL is told as well: posts, accounts, products, delivered bonuses."""

import pytest

from db import handing
from db.connection import Tx, transaction
from db.handing import Done
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.workers import buying
from tests.workers.workflows.listening import facts, listener, matched, runs

INNOCENT = "UPDATE content SET title = 'other', status = status"


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Plain psycopg, as another application has it."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign and its user."""
    return make.campaign(session)


def test_a_post_that_becomes_published_fires(session: Tx, campaign: Made) -> None:
    user = campaign["user_id"]
    workflow = listener(session, user, "content_published", where=["event.title == 'New'"])
    post = make.content(session, user, campaign_id=campaign["id"], title="New", body="x" * 20_000)
    session.execute(INNOCENT.replace("other", "New"))
    assert facts(session) == []

    session.execute("UPDATE content SET status = 'published'")
    session.execute(INNOCENT)
    matched()

    (run,) = runs(session)
    event = run["input"]["event"]
    assert (run["workflow_id"], run["campaign_id"]) == (workflow["id"], campaign["id"])
    assert (event["id"], event["content_type"]) == (str(post["id"]), "blog_post")
    assert len(event["body"]) == 10_000
    assert event["published_at"].endswith("Z")


def test_a_post_that_is_born_published_fires(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "content_published")

    make.content(session, campaign["user_id"], status="published")
    make.content(session, campaign["user_id"])
    make.content(session, make.user(session)["id"], status="published")

    assert len(facts(session)) == 1


def test_what_a_run_causes_knows_how_deep_it_is(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "content_published")

    with session.transaction():
        session.execute("SELECT set_config('hopfleet.depth', '8', true)")
        make.content(session, campaign["user_id"], status="published")
    make.content(session, campaign["user_id"], status="published")
    matched()

    assert [run["reason"] for run in runs(session)] == ["loop", None]


@pytest.mark.parametrize("depth", ["", "x", "-1", "99999999999", "1; DROP TABLE users"])
def test_an_odd_depth_stops_nobodys_application(session: Tx, campaign: Made, depth: str) -> None:
    listener(session, campaign["user_id"], "content_published")

    with session.transaction():
        session.execute("SELECT set_config('hopfleet.depth', %s, true)", (depth,))
        make.content(session, campaign["user_id"], status="published")

    assert [fact["depth"] for fact in facts(session)] == [0]


def test_an_account_that_changes_fires(session: Tx, campaign: Made) -> None:
    user = campaign["user_id"]
    listener(session, user, "subscription_changed", where=["event.tier != event.tier_before"])

    session.execute("UPDATE users SET status = 'trial' WHERE id = %s", (user,))
    session.execute("UPDATE users SET tier = 'agency' WHERE id = %s", (user,))
    session.execute("UPDATE users SET tier = 'agency', full_name = 'A' WHERE id = %s", (user,))
    matched()

    (run,) = runs(session)
    event = run["input"]["event"]
    assert (event["tier"], event["tier_before"]) == ("agency", "starter")
    assert (event["status"], event["status_before"]) == ("trial", "trial")
    assert [fact["outcome"] for fact in facts(session)] == ["unmatched", "matched"]


def test_a_product_that_changes_fires_for_all_who_listen(session: Tx, campaign: Made) -> None:
    falls = ["event.gravity < 10", "event.before.gravity >= 10", "'gravity' in event.changed"]
    for user in (campaign["user_id"], make.user(session)["id"]):
        listener(session, user, "product_changed", where=falls)
    one = make.product(session, gravity="12.50")
    make.product(session, gravity="50")

    session.execute("UPDATE products SET last_updated = now()")
    unchanged = facts(session)
    session.execute("UPDATE products SET gravity = gravity - 5")
    both = facts(session)
    matched()

    assert unchanged == []
    assert [fact["user_id"] for fact in both] == [None, None]
    events = [run["input"]["event"] for run in runs(session)]
    assert [event["id"] for event in events] == [str(one["id"])] * 2
    assert (events[0]["gravity"], events[0]["before"]) == ("7.50", {"gravity": "12.50"})
    assert events[0]["changed"] == ["gravity"]
    assert len(facts(session)) == 1  # what nobody waited for is not kept


def test_products_nobody_listens_to_are_not_told(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "content_published")
    make.product(session)

    session.execute("UPDATE products SET gravity = 1")

    assert facts(session) == []


@pytest.mark.parametrize("again", [False, True])
def test_a_bonus_that_is_delivered_fires_once(session: Tx, campaign: Made, again: bool) -> None:
    listener(session, campaign["user_id"], "bonus_delivered")
    bonus = make.bonus(session, campaign["id"], delivery_method="email")
    buying.sell(campaign, "R7")

    for _ in range(2 if again else 1):
        session.execute("UPDATE bonus_deliveries SET state = 'running', attempts = attempts + 1")
        row = session.execute("SELECT id, attempts FROM bonus_deliveries").fetchone()
        assert row is not None
        with transaction() as tx:
            handing.mailed(tx, [(row[0], row[1], b"digest")])
    matched()

    (run,) = runs(session)
    event = run["input"]["event"]
    assert run["campaign_id"] == campaign["id"]
    assert (event["bonus"], event["bonus_id"]) == (bonus["name"], str(bonus["id"]))
    assert (event["receipt"], event["method"]) == ("R7", "email")
    assert "example.com" not in str(facts(session))  # where the buyer reads his mail


def test_a_link_that_is_issued_is_a_delivered_bonus(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "bonus_delivered")
    make.bonus(session, campaign["id"], delivery_method="download")
    buying.sell(campaign)

    with transaction() as tx:
        due = handing.due_links(tx, 10)
        handing.issued(tx, [Done(row.id, b"digest", "") for row in due])

    assert [fact["data"]["method"] for fact in facts(session)] == ["download"]
