"""The audit's records in the database."""

from datetime import UTC, datetime, timedelta

from base.ids import uuid7_hex
from db import audit, held
from db.connection import Tx
from tests import make

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = int(NOON.timestamp()) // 60
HOUR = (NOON, NOON + timedelta(hours=1))


def test_saying_it_again_replaces_and_processes_add_up(tx: Tx) -> None:
    audit.publish(tx, "a", [(MINUTE, "r", 5, 4, 0, 0), (MINUTE, "p", 1, 1, 0, 0)])
    audit.publish(tx, "a", [(MINUTE, "r", 9, 9, 0, 1)])
    audit.publish(tx, "b", [(MINUTE, "r", 2, 1, 1, 1)])
    audit.publish(tx, "b", [])

    assert audit.told(tx, *HOUR) == {(MINUTE, "r"): (11, 10, 1, 2), (MINUTE, "p"): (1, 1, 0, 0)}


def test_minutes_outside_are_left_out(tx: Tx) -> None:
    audit.publish(tx, "a", [(MINUTE - 1, "r", 1, 1, 0, 0), (MINUTE + 60, "r", 1, 1, 0, 0)])
    audit.record(tx, {(MINUTE - 1, "r", "stored"): 1, (MINUTE + 60, "r", "stored"): 1})

    assert (audit.told(tx, *HOUR), audit.outcomes(tx, *HOUR)) == ({}, {})


def test_folding_changes_no_sum(tx: Tx) -> None:
    for count in range(1, 6):
        audit.record(tx, {(MINUTE, "r", "stored"): count, (MINUTE, "p", "gone"): 1})
    before = audit.outcomes(tx, *HOUR)

    while audit.fold(tx):
        pass

    left = tx.execute("SELECT count(*) FROM event_outcomes WHERE minute = %s", (NOON,)).fetchone()
    assert left == (2,)
    assert audit.outcomes(tx, *HOUR) == before == {
        (MINUTE, "r", "stored"): 15, (MINUTE, "p", "gone"): 5
    }  # fmt: skip


def test_whoever_deletes_a_held_event_it_is_counted(tx: Tx) -> None:
    user = make.user(tx)["id"]
    batch = uuid7_hex(MINUTE * 60_000 + 59_999)
    item = {"id": batch, "type": "click", "user": str(user), "door": "p", "meta": {}}
    held.hold(tx, [held.dead_item("clicks", batch, 0, item, "bad")])
    held.hold(tx, [held.dead_batch("clicks", batch, b"?", "r:2,events:3", "bad")])
    held.hold(tx, [held.dead_item("clicks", batch, 1, {"door": ["no", "text"]}, "bad")])

    tx.execute("DELETE FROM held_events")

    assert audit.outcomes(tx, *HOUR) == {
        (MINUTE, "p", "discarded"): 1, (MINUTE, "r", "discarded"): 2,
        (MINUTE, "events", "discarded"): 3, (MINUTE, "?", "discarded"): 1,
    }  # fmt: skip


def test_what_is_held_of_another_time_is_left_out(tx: Tx) -> None:
    inside, before, after = (uuid7_hex((MINUTE + m) * 60_000) for m in (0, -1, 60))
    held.hold(
        tx, [held.dead_batch("clicks", one, b"?", "r:1", "bad") for one in (inside, before, after)]
    )

    assert audit.held(tx, *HOUR) == [(inside, "r:1", "dead")]


def test_finished_rows_go_uncounted(tx: Tx) -> None:
    held.hold(tx, [held.dead_batch("clicks", uuid7_hex(MINUTE * 60_000), b"?", "r:1", "bad")])
    tx.execute("UPDATE held_events SET state = 'done', outcome = 'stored'")

    tx.execute("DELETE FROM held_events")

    assert audit.outcomes(tx, *HOUR) == {}


def test_only_spools_that_hold_something_are_listed(tx: Tx) -> None:
    audit.publish_spool(tx, "here:/spool", 10, NOON)
    audit.publish_spool(tx, "there:/spool", 10, NOON)
    audit.publish_spool(tx, "here:/spool", 0, None)

    found = [(one.place, one.bytes, one.oldest_at) for one in audit.spools(tx)]
    assert ("there:/spool", 10, NOON) in found
    assert "here:/spool" not in {place for place, _, _ in found}


def test_a_spool_that_was_not_seen_for_as_long_as_the_ledger_knows_is_forgotten(tx: Tx) -> None:
    for place, size, days in (("gone", 10, 15), ("away", 10, 13), ("empty", 0, 2)):
        audit.publish_spool(tx, place, size, None)
        tx.execute(
            "UPDATE host_spools SET seen_at = now() - make_interval(days => %s) WHERE place = %s",
            (days, place),
        )

    audit.prune(tx)

    left = {row[0] for row in tx.execute("SELECT place FROM host_spools")}
    assert left & {"gone", "away", "empty"} == {"away"}
