"""Purges: whoever is marked for deletion goes, events first, and nobody else does."""

from typing import Any

import pytest

from db import campaigns, users
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from workers.maintenance import purging
from workers.maintenance.purges import run


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


def counted(session: Tx, table: str) -> int:
    row = session.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def events(session: Tx, campaign: dict[str, Any], count: int) -> None:
    session.execute(
        "INSERT INTO analytics_events (user_id, campaign_id, event_type)"
        " SELECT %s, %s, 'click' FROM generate_series(1, %s)",
        (campaign["user_id"], campaign["id"], count),
    )


def test_a_marked_user_goes_with_all_that_is_his(session: Tx) -> None:
    gone, stays = make.campaign(session), make.campaign(session)
    events(session, gone, 30)
    events(session, stays, 2)
    users.mark_purge(session, gone["user_id"])

    run()
    run()

    assert counted(session, "analytics_events") == 2
    assert counted(session, "users") == counted(session, "campaigns") == 1
    assert session.execute("SELECT state, outcome FROM purges").fetchall() == [("done", "purged")]


def test_a_marked_campaign_goes_its_user_stays(session: Tx) -> None:
    gone = make.campaign(session)
    stays = make.campaign(session, user_id=gone["user_id"])
    events(session, gone, 3)
    events(session, stays, 2)
    campaigns.mark_purge(session, gone["id"])

    run()

    assert counted(session, "analytics_events") == 2
    assert counted(session, "campaigns") == counted(session, "users") == 1


def test_a_users_orders_and_webhooks_go_with_him_in_chunks(session: Tx) -> None:
    gone, stays = make.user(session), make.user(session)
    for user in (gone, stays):
        make.receipt(session, make.order(session, user["id"]))
        make.webhook(session, user_id=user["id"])
    session.execute(
        "INSERT INTO orders (user_id, receipt) SELECT %s, n::text FROM generate_series(1, %s) n",
        (gone["id"], purging.CHUNK + 1),
    )
    users.mark_purge(session, gone["id"])

    run()

    assert counted(session, "orders") == counted(session, "receipts") == 1
    assert session.execute("SELECT user_id FROM webhooks").fetchall() == [(stays["id"],)]


def test_a_campaigns_orders_outlive_it(session: Tx) -> None:
    gone = make.campaign(session)
    order = make.order(session, gone["user_id"], campaign_id=gone["id"])
    campaigns.mark_purge(session, gone["id"])

    run()

    assert session.execute("SELECT id FROM orders").fetchall() == [(order["id"],)]


def test_what_is_marked_twice_goes_once(session: Tx) -> None:
    gone = make.campaign(session)

    assert campaigns.mark_purge(session, gone["id"])
    assert not campaigns.mark_purge(session, gone["id"])
    run()

    assert counted(session, "campaigns") == 0


def test_what_is_gone_already_is_no_trouble(session: Tx) -> None:
    gone = make.campaign(session)
    campaigns.mark_purge(session, gone["id"])
    session.execute("DELETE FROM users WHERE id = %s", (gone["user_id"],))

    run()

    assert session.execute("SELECT state FROM purges").fetchall() == [("done",)]


def test_a_purge_takes_as_many_chunks_as_it_needs(session: Tx) -> None:
    gone = make.campaign(session)
    events(session, gone, 2 * purging.CHUNK + 1)
    campaigns.mark_purge(session, gone["id"])

    run()

    assert counted(session, "analytics_events") == 0


def test_a_purge_that_was_interrupted_is_taken_up_again(session: Tx) -> None:
    gone = make.campaign(session)
    events(session, gone, 3)
    campaigns.mark_purge(session, gone["id"])
    session.execute(
        "UPDATE purges SET state = 'running', attempts = 1, lease_until = now() - '1s'::interval"
    )

    run()

    assert counted(session, "campaigns") == 0


def test_who_was_told_to_stop_purges_nothing(session: Tx, told_to_stop: None) -> None:
    gone = make.campaign(session)
    campaigns.mark_purge(session, gone["id"])

    run()

    assert counted(session, "campaigns") == 1
