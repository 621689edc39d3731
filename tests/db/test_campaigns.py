"""Campaigns: tracking ids, finding, listing, changing."""

from uuid import uuid4

import pytest

from base.errors import Misused
from db import campaigns
from db.connection import Tx
from db.paging import Place
from tests import make


def test_a_campaign_gets_a_short_tracking_id_of_its_own(tx: Tx) -> None:
    user = make.user(tx)["id"]

    rows = [campaigns.add(tx, user, "name", "https://example.com/") for _ in range(20)]

    ids = {row.tracking_id or "" for row in rows}
    assert len(ids) == 20
    assert all(len(one) <= 12 and one.isalnum() and one.isascii() for one in ids)
    assert {row.status for row in rows} == {"active"}


def test_a_campaign_is_found_by_tracking_id_and_by_id(tx: Tx) -> None:
    added = campaigns.add(
        tx, make.user(tx)["id"], "name", None, status="draft", settings={"pass_through": True}
    )

    assert added.settings == {"pass_through": True}
    assert campaigns.find(tx, added.tracking_id or "") == added
    assert campaigns.find(tx, str(added.id)) == added
    assert campaigns.find(tx, str(uuid4())) is None


def test_pages_of_campaigns_hold_each_once_and_only_the_owners(tx: Tx) -> None:
    user = make.user(tx)["id"]
    made = {make.campaign(tx, user_id=user)["id"] for _ in range(3)}
    make.campaign(tx)

    first = campaigns.page(tx, 2, user_id=user)
    rest = campaigns.page(tx, 2, Place(first[-1].created_at, first[-1].id), user_id=user)

    assert [len(first), len(rest)] == [2, 1]
    assert {row.id for row in first + rest} == made
    assert len(campaigns.page(tx, 10)) == 4


def test_a_campaign_is_paused_resumed_and_set(tx: Tx) -> None:
    key = make.campaign(tx)["id"]

    paused, resumed = campaigns.pause(tx, key), campaigns.resume(tx, key)
    changed = campaigns.set_fields(tx, key, {"name": "new", "settings": {"a": 1}})

    assert paused is not None
    assert resumed is not None
    assert changed is not None
    assert (paused.status, resumed.status) == ("paused", "active")
    assert (changed.name, changed.settings) == ("new", {"a": 1})
    assert campaigns.pause(tx, uuid4()) is None
    with pytest.raises(Misused):
        campaigns.set_fields(tx, key, {"user_id": uuid4()})


def test_a_campaign_is_marked_for_deletion_once_and_again_after_it_was_restored(tx: Tx) -> None:
    key = make.campaign(tx)["id"]

    assert campaigns.mark_purge(tx, key)
    assert not campaigns.mark_purge(tx, key)
    tx.execute("UPDATE purges SET state = 'done'")
    assert campaigns.mark_purge(tx, key)
    assert campaigns.delete(tx, key)


@pytest.mark.parametrize("table", ["users", "campaigns", "products", "teams", "accounts"])
def test_updated_at_moves_with_every_change_by_anybody(tx: Tx, table: str) -> None:
    made = make.campaign(tx)
    make.product(tx)
    make.team(tx, made["user_id"])
    make.insert(tx, "accounts", {"user_id": made["user_id"]})
    tx.execute(f"UPDATE {table} SET updated_at = '2001-01-01'")

    row = tx.execute(f"SELECT bool_and(updated_at = now()) FROM {table}").fetchone()
    assert row == (True,)
