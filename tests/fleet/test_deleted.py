"""Owners that are deleted while their clicks are on the way harm nobody else."""

import orjson

from db import campaigns, users
from tests.fleet.batches import append, item
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors, clicks


def test_neighbours_of_deleted_owners_are_stored(fleet: Fleet) -> None:
    kept, *doomed = [fleet.campaign() for _ in range(5)]
    fleet.kill("worker")
    batch = [item(campaign) for campaign in (kept, *doomed, kept)]
    append(fleet, orjson.dumps(batch), count=len(batch))
    acked = [fleet.click(each["tracking_id"]).click_id for each in (*doomed, kept)][-1]

    with fleet.connect() as session:
        session.execute("DELETE FROM campaigns WHERE id = %s", (doomed[0]["id"],))
        session.execute("DELETE FROM users WHERE id = %s", (doomed[1]["user_id"],))
        campaigns.mark_purge(session, doomed[2]["id"])
        users.mark_purge(session, doomed[3]["user_id"])
    until(lambda: _purged(fleet), 10, "what was marked is purged")
    fleet.start("worker")
    fleet.until_drained(10)

    wanted = [batch[0]["id"], batch[-1]["id"], acked]
    assert sorted(fleet.stored(kept["user_id"])) == sorted(wanted)
    assert [fleet.stored(each["user_id"]) for each in doomed] == [[], [], [], []]
    assert fleet.dead() == []


def _purged(fleet: Fleet) -> bool:
    return fleet.sql("SELECT FROM purges WHERE state <> 'done'") == []


def test_a_user_deleted_by_sql_under_load_harms_no_neighbour(fleet: Fleet) -> None:
    kept, doomed = fleet.campaign(), fleet.campaign()
    asks = clicks(kept["tracking_id"]), clicks(doomed["tracking_id"])

    with Visitors(fleet.port, lambda number: asks[number % 2](number)) as visitors:
        until(lambda: fleet.stored(doomed["user_id"]), 10, "the first rows")
        fleet.sql("DELETE FROM users WHERE id = %s", doomed["user_id"])
        until(lambda: visitors.refused[b"404"] > 100, 5, "the link is gone")
        wanted = len(visitors.acked) + 500
        until(lambda: len(visitors.acked) > wanted, 10, "the neighbour goes on")
    fleet.until_drained()

    acked = [click_id for click_id, number in visitors.acked.items() if number % 2 == 0]
    assert sorted(fleet.stored(kept["user_id"])) == sorted(acked)
    assert fleet.stored(doomed["user_id"]) == []
    assert fleet.dead() == []


def test_an_owner_locked_by_somebody_holds_up_only_its_own(fleet: Fleet) -> None:
    free, locked = fleet.campaign(), fleet.campaign()

    with fleet.connect() as session:
        session.execute("BEGIN")
        session.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (locked["user_id"],))
        batch = [item(locked), item(free)]
        append(fleet, orjson.dumps(batch), count=2)
        until(lambda: fleet.stored(free["user_id"]), 2, "the neighbour is stored")
        meanwhile = fleet.stored(locked["user_id"])
        session.execute("ROLLBACK")
    fleet.until_drained()

    assert meanwhile == []
    assert fleet.stored(locked["user_id"]) == [batch[0]["id"]]
    assert fleet.stored(free["user_id"]) == [batch[1]["id"]]
