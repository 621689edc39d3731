"""Held events: what waited for its owner, or was replayed by a person, gets its turn."""

from typing import Any

import pytest

from base.clock import now, wall_ms
from db import held as db_held
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.make import batch_id
from tests.workers.items import claimed, held, item, rows
from workers.held import release
from workers.store import store


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> dict[str, Any]:
    """A campaign and its user."""
    return make.campaign(session)


def store_batches(*batches: Any) -> None:
    with transaction() as tx:
        store(tx, Kind.CLICKS, list(batches), now())


def deferred(campaign: dict[str, Any], connect: Connect, *items: Any) -> None:
    """Items that came while their owner was locked; they are due at once."""
    other = connect()
    with other.transaction():
        other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (campaign["user_id"],))
        store_batches(claimed(*items))
    other.execute("UPDATE held_events SET next_attempt_at = now()")


def replay_all(session: Tx) -> None:
    for one in db_held.dead(session, 100):
        assert db_held.replay(session, one.id)


def outcomes(session: Tx) -> list[tuple[str, str | None]]:
    return session.execute("SELECT state, outcome FROM held_events ORDER BY position").fetchall()


def test_what_waited_for_its_owner_is_stored_once(
    session: Tx, campaign: dict[str, Any], connect: Connect
) -> None:
    deferred(campaign, connect, item(campaign["user_id"]), item(campaign["user_id"]))

    release()
    release()

    assert len(rows(session)) == 2
    assert outcomes(session) == [("done", "stored")] * 2


def test_what_is_still_locked_waits_on(
    session: Tx, campaign: dict[str, Any], connect: Connect
) -> None:
    deferred(campaign, connect, item(campaign["user_id"]))
    other = connect()
    with other.transaction():
        other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (campaign["user_id"],))
        release()

    assert held(session, "pending") == [(0, "owner_locked")]
    assert rows(session) == []
    session.execute("UPDATE held_events SET next_attempt_at = now()")
    release()
    assert len(rows(session)) == 1


def test_what_waited_for_an_owner_that_went_is_gone_with_it(
    session: Tx, campaign: dict[str, Any], connect: Connect
) -> None:
    deferred(campaign, connect, item(campaign["user_id"]))
    session.execute("DELETE FROM users WHERE id = %s", (campaign["user_id"],))

    release()

    assert outcomes(session) == [("done", "owner_gone")]


def test_what_waited_and_came_again_meanwhile_is_a_duplicate(
    session: Tx, campaign: dict[str, Any], connect: Connect
) -> None:
    deferred(campaign, connect, item(campaign["user_id"], event_id="e"))
    store_batches(claimed(item(campaign["user_id"], event_id="e")))

    release()

    assert len(rows(session)) == 1
    assert outcomes(session) == [("done", "duplicate")]


def test_a_replayed_dead_letter_is_stored_when_its_reason_is_gone(
    session: Tx, campaign: dict[str, Any]
) -> None:
    store_batches(claimed(item(campaign["user_id"], campaign["id"], source="x" * 256)))
    session.execute(
        "UPDATE held_events SET item = convert_to(replace(convert_from(item, 'UTF8'),"
        " repeat('x', 256), 'x'), 'UTF8')"
    )

    replay_all(session)
    release()

    assert [row["source"] for row in rows(session)] == ["x"]
    assert outcomes(session) == [("done", "stored")]


def test_a_replayed_dead_letter_that_is_still_poison_is_dead_again(
    session: Tx, campaign: dict[str, Any]
) -> None:
    store_batches(
        claimed(
            item(campaign["user_id"], source="x" * 256),
            item(campaign["user_id"], meta={"a": "\0"}),
            item(campaign["user_id"], event_id="\0"),
            5,
        )
    )
    before = held(session)

    replay_all(session)
    release()

    assert held(session) == before
    assert len(before) == 4
    assert rows(session) == []


def test_a_replayed_whole_batch_comes_apart_into_its_items(
    session: Tx, campaign: dict[str, Any]
) -> None:
    user = campaign["user_id"]
    ms = wall_ms() - 20 * 86_400_000
    store_batches(claimed(item(user), 5, item(user, id=batch_id(1_000)), ms=ms))
    assert held(session) == [(-1, "stale")]

    replay_all(session)
    release()
    release()

    assert len(rows(session)) == 1
    assert held(session) == [(1, "unreadable"), (2, "no_partition")]
    assert outcomes(session)[0] == ("done", "stored")


def test_a_batch_nobody_can_read_is_dead_again(session: Tx) -> None:
    store_batches(claimed(body=b"{"))

    replay_all(session)
    release()

    assert held(session) == [(-1, "unreadable")]


def test_who_lost_the_lease_writes_nothing(
    session: Tx, campaign: dict[str, Any], connect: Connect
) -> None:
    """A worker slept through its lease; another has stored the item meanwhile."""
    deferred(campaign, connect, item(campaign["user_id"]))
    session.execute(
        "UPDATE held_events SET state = 'running', attempts = 1,"
        " lease_until = now() - '1s'::interval"
    )

    release()

    assert len(rows(session)) == 1
    assert session.execute("SELECT state, attempts FROM held_events").fetchall() == [("done", 2)]


def test_who_was_told_to_stop_leaves_the_rest_to_others(
    session: Tx, campaign: dict[str, Any], connect: Connect, told_to_stop: None
) -> None:
    deferred(campaign, connect, item(campaign["user_id"]))

    release()

    assert rows(session) == []
    assert held(session, "done") == []


def test_one_odd_row_does_not_keep_the_others_waiting(
    session: Tx, campaign: dict[str, Any], connect: Connect
) -> None:
    deferred(campaign, connect, item(campaign["user_id"]), item(campaign["user_id"]))
    session.execute("UPDATE held_events SET kind = 'not yet' WHERE position = 0")

    release()

    assert len(rows(session)) == 1
    assert held(session, "pending") == [(0, "owner_locked")]
