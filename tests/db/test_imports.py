"""What imports and other commands ask about events, and what the server says of itself."""

from datetime import timedelta

from base.clock import now
from base.ids import ms_of, time_of
from db import events, server
from db.connection import Tx
from tests import make


def test_stored_clicks_are_found_among_others_of_their_moment(tx: Tx) -> None:
    user = make.user(tx)["id"]
    known = make.batch_id()
    same_moment, later = make.batch_id(ms_of(known)), make.batch_id(ms_of(known) + 1)
    make.event(tx, user, created_at=time_of(known), metadata={"click_id": known})

    assert events.stored(tx, [known, same_moment, later]) == {known}
    assert events.stored(tx, []) == set()


def test_events_that_are_known_are_left_out_of_the_tail(tx: Tx) -> None:
    user = make.user(tx)["id"]
    ids = [make.event(tx, user)["id"] for _ in range(3)]

    rows = events.tail(tx, ids[0] - 1, known={ids[1]})

    assert [row.id for row in rows] == [ids[0], ids[2]]
    assert events.newest_id(tx) == ids[2]


def test_events_that_would_go_are_counted(tx: Tx) -> None:
    campaign = make.campaign(tx)
    other = make.user(tx)["id"]
    make.event(tx, campaign["user_id"])
    make.event(tx, other, campaign_id=campaign["id"])  # it had another owner then

    assert events.count_doomed(tx, "user", campaign["user_id"]) == 2
    assert events.count_doomed(tx, "campaign", campaign["id"]) == 1


def test_the_server_tells_its_version_clock_and_room(tx: Tx) -> None:
    facts = server.facts(tx)

    assert facts.version >= 150_000
    assert abs(facts.now - now()) < timedelta(seconds=5)
    assert 0 < facts.connections < facts.max_connections
    assert facts.fsync in ("on", "off")
