"""Owners: held while their events are written, and told apart when they cannot be."""

from uuid import uuid4

from db import owners
from db.connection import Tx
from tests import make
from tests.conftest import Connect


def test_owners_that_exist_are_held_and_others_are_not(tx: Tx) -> None:
    campaign = make.campaign(tx)
    user_id, campaign_id = str(campaign["user_id"]), str(campaign["id"])
    nobody = str(uuid4())

    assert owners.lock(tx, [user_id, nobody], [campaign_id, nobody]) == ({user_id}, {campaign_id})
    assert owners.existing(tx, [user_id, nobody], [nobody]) == ({user_id}, set())
    assert owners.lock(tx, [], []) == (set(), set())


def test_a_held_user_can_be_changed_but_not_deleted(connect: Connect) -> None:
    ours, theirs = connect(), connect()
    user_id = str(make.user(ours)["id"])
    theirs.execute("SET lock_timeout = '50ms'")

    with ours.transaction():
        owners.lock(ours, [user_id], [])

        theirs.execute("UPDATE users SET tier = 'agency' WHERE id = %s", (user_id,))
        free = theirs.execute("SELECT 1 FROM users FOR UPDATE SKIP LOCKED").fetchall()
        assert free == []


def test_an_owner_that_is_being_deleted_is_passed_over_at_once(connect: Connect) -> None:
    ours, theirs = connect(), connect()
    kept, going = make.campaign(ours), make.campaign(ours)
    users = [str(row["user_id"]) for row in (kept, going)]
    campaigns = [str(row["id"]) for row in (kept, going)]

    with theirs.transaction(), ours.transaction():
        theirs.execute("DELETE FROM users WHERE id = %s", (going["user_id"],))

        assert owners.lock(ours, users, campaigns) == ({users[0]}, {campaigns[0]})
        assert owners.existing(ours, users, campaigns) == (set(users), set(campaigns))
