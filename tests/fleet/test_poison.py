"""What PostgreSQL refuses is kept aside with its reason; its neighbours are stored."""

from typing import Any

import orjson

from db import held
from journal.streams import ACKNOWLEDGE, GROUP, Kind, items_key, stream
from tests.fleet.batches import append, item
from tests.fleet.fleet import Fleet
from tests.fleet.program import until

_FAR_AHEAD = "ffffffffffff7fff8fffffffffffffff"  # one of the year 10889
_LONG_AGO = "00d3a1d5d80070008000000000000000"  # a click id of the year 1998


def test_poison_is_isolated_and_its_neighbours_are_stored(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    good = [item(campaign) for _ in range(2)]
    poison: list[Any] = [
        item(campaign, source="s" * 256),
        item(campaign, source="a\0b"),
        item(campaign, meta={"sub1": "a\0b"}),
        item(campaign, type="conversion", amount="99999999999.00"),
        item(campaign, type="no such type"),
        item(campaign, id=_LONG_AGO),
        item(campaign, user="nobody"),
        item(campaign, id="zz"),
        item(campaign, source={"a": 1}),
        item(campaign, event_id="e\0"),
        {key: value for key, value in item(campaign, click=_FAR_AHEAD).items() if key == "click"},
        "not even an object",
        17,
    ]
    append(fleet, orjson.dumps([good[0], *poison, good[1]]), count=len(poison) + 2)
    append(fleet, b"\xff\xfe not JSON")
    after = fleet.click(campaign["tracking_id"]).click_id

    fleet.until_drained(10)

    assert sorted(fleet.stored(campaign["user_id"])) == sorted(
        [good[0]["id"], good[1]["id"], str(after)]
    )
    dead = fleet.dead()
    fleet.sql("DELETE FROM held_events")
    assert len(dead) == len(poison) + 1
    assert {reason for reason, _ in dead} == {
        "no_partition", "unreadable", "refused_22001", "refused_22P05", "refused_value"
    }  # fmt: skip
    assert all(error for _, error in dead)


def test_a_made_up_click_id_of_a_far_year_is_refused_at_the_door(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    key = fleet.key(campaign["user_id"])
    made_up = f'{{"type":"conversion","click_id":"{_FAR_AHEAD}"}}'

    refused = fleet.ask("POST", "/v1/events", key, made_up)
    acked = fleet.click(campaign["tracking_id"]).click_id
    fleet.until_drained(10)

    assert refused.status == 400
    assert fleet.stored(campaign["user_id"]) == [acked]


def test_a_repaired_dead_letter_is_stored_by_a_replay(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    broken = item(campaign, source="s" * 256)
    append(fleet, orjson.dumps([broken]))
    until(lambda: fleet.dead(campaign["user_id"]), 5, "it is a dead letter")

    with fleet.connect() as session:
        letter = held.dead(session, 1)[0].id
        repaired = orjson.dumps({**broken, "source": "short"})
        session.execute("UPDATE held_events SET item = %s WHERE id = %s", (repaired, letter))
        held.replay(session, letter)
    fleet.until_drained(10)

    rows = fleet.sql(
        "SELECT metadata->>'click_id', source FROM analytics_events WHERE user_id = %s",
        campaign["user_id"],
    )
    assert rows == [(broken["id"], "short")]
    assert fleet.dead(campaign["user_id"]) == []


def test_a_dead_letter_replayed_unrepaired_is_dead_again(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    append(fleet, orjson.dumps([item(campaign, source="s" * 256)]))
    until(lambda: fleet.dead(campaign["user_id"]), 5, "it is a dead letter")

    with fleet.connect() as session:
        held.replay(session, held.dead(session, 1)[0].id)
    fleet.until_drained(10)

    assert fleet.stored(campaign["user_id"]) == []
    assert len(fleet.dead(campaign["user_id"])) == 1
    fleet.sql("DELETE FROM held_events")


def test_a_batch_of_a_later_version_waits_and_holds_up_nobody(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    ours = item(campaign)
    entry = append(fleet, orjson.dumps([ours]), version=b"99")
    until(fleet.claimed, 5, "somebody looked at it")
    first = fleet.click(campaign["tracking_id"]).click_id

    fleet.restart("postgres")
    fleet.until_ready()
    acked = [first, *(fleet.click(campaign["tracking_id"]).click_id for _ in range(50))]
    until(lambda: len(fleet.stored(campaign["user_id"])) == 51, 15, "the others are stored")
    waiting = fleet.batches(), fleet.claimed()
    with fleet.journal() as connection:
        keys = stream(Kind.CLICKS), items_key(Kind.CLICKS)
        connection.eval(ACKNOWLEDGE, 2, *keys, GROUP, entry, 1)

    assert sorted(fleet.stored(campaign["user_id"])) == sorted(map(str, acked))
    assert waiting == (1, 1)
    assert fleet.dead() == []
