"""Claims: who holds a batch, who takes it over, and that it is counted once."""

from typing import Any

import pytest

from base.clock import wall_ms
from base.ids import time_of
from journal import claims
from journal.claims import STALE_MS, Consumer
from journal.streams import FORGET_CONSUMER, GROUP, Kind, items_key, stream
from tests.journal.putting import batch, consumer, put

MOST = 1_000  # items

CLICKS = Kind.CLICKS


@pytest.fixture(autouse=True)
def _clean(journal: str) -> None:
    claims.make_group(CLICKS)


def age(holder: Consumer, entries: list[bytes], ms: int = STALE_MS + 1) -> None:
    """Let claimed entries look as if they had been held for so long."""
    ids: Any = entries
    claims.client().xclaim(stream(holder.kind), GROUP, holder.name, 0, ids, idle=ms, justid=True)


def pending(kind: Kind = CLICKS) -> int:
    found: Any = claims.client().xpending(stream(kind), GROUP)
    return int(found["pending"])


def ids(claimed: list[claims.Claimed]) -> list[str]:
    return [one.id for one in claimed]


def test_a_batch_comes_as_it_was_put_and_to_one_consumer_only(journal: str) -> None:
    made = batch(b"\x00\xff", count=7, version=b"9")
    put(journal, made)

    (claimed,) = consumer().claim(1_000)

    assert (claimed.id, claimed.count, claimed.version, claimed.body) == (
        made.id, 7, b"9", b"\x00\xff",
    )  # fmt: skip
    assert consumer().claim(1_000) == []


def test_kinds_do_not_see_each_others_batches(journal: str) -> None:
    put(journal, batch(kind=Kind.CONVERSIONS))

    assert consumer().claim(10) == []
    claims.make_group(Kind.CONVERSIONS)
    assert len(consumer(Kind.CONVERSIONS).claim(10)) == 1


def test_a_claim_ends_at_about_as_many_items_as_were_asked_for(journal: str) -> None:
    put(journal, *[batch(count=10) for _ in range(200)])

    claimed = consumer().claim(1_000)

    assert 1_000 <= sum(one.count for one in claimed) < 2_000
    assert len(consumer().claim(100_000)) == 200 - len(claimed)


def test_what_did_not_get_stored_comes_first(journal: str) -> None:
    mine = consumer()
    put(journal, batch(), batch())
    first = mine.claim(10)
    put(journal, batch())

    mine.failed()
    again = mine.claim(10)
    mine.acknowledge(again)

    assert ids(again) == ids(first)
    assert len(mine.claim(10)) == 1


def test_a_batch_that_stays_unacknowledged_does_not_keep_new_ones_out(journal: str) -> None:
    """One of an unknown version waits for another release; the others must not wait for it."""
    mine = consumer()
    put(journal, batch(version=b"99"))
    held = mine.claim(10)
    put(journal, batch())

    mine.failed()

    assert ids(mine.claim(10)) == ids(held)
    assert len(mine.claim(10)) == 1


def test_many_failed_batches_all_come_again(journal: str) -> None:
    mine = consumer()
    put(journal, *[batch() for _ in range(150)])
    first = mine.claim(1_000)

    mine.failed()
    again = [one for _ in range(3) for one in mine.claim(1_000)]

    assert ids(again) == ids(first)


def test_a_failure_while_failed_ones_come_again_starts_over(journal: str) -> None:
    mine = consumer()
    put(journal, *[batch() for _ in range(100)])
    first = mine.claim(1_000)
    mine.failed()
    mine.claim(1_000)

    mine.failed()

    assert ids(mine.claim(1_000))[0] == ids(first)[0]


def test_claims_of_the_living_are_left_to_them(journal: str) -> None:
    holder = consumer()
    put(journal, batch())
    claimed = holder.claim(10)
    age(holder, [claimed[0].entry], STALE_MS - 2_000)

    assert consumer().stale() == {}


def test_claims_of_the_dead_are_taken_over_after_ten_seconds(journal: str) -> None:
    dead, taker = consumer(), consumer()
    put(journal, batch(), batch())
    held = dead.claim(10)
    age(dead, [one.entry for one in held])

    stale = taker.stale()
    taken = taker.take_over(stale[dead.name], MOST)

    assert list(stale) == [dead.name]
    assert taken == held
    assert taker.stale() == {}


def test_of_two_takers_one_gets_it(journal: str) -> None:
    dead, quick, slow = consumer(), consumer(), consumer()
    put(journal, batch())
    age(dead, [one.entry for one in dead.claim(10)])
    stale = slow.stale()[dead.name]

    assert len(quick.take_over(stale, MOST)) == 1
    assert slow.take_over(stale, MOST) == []


def test_what_was_acknowledged_meanwhile_is_not_taken_over(journal: str) -> None:
    dead, taker = consumer(), consumer()
    put(journal, batch())
    held = dead.claim(10)
    age(dead, [held[0].entry])
    stale = taker.stale()[dead.name]
    dead.acknowledge(held)

    assert taker.take_over(stale, MOST) == []
    assert pending() == 0


def test_acknowledging_twice_counts_once(journal: str) -> None:
    mine = consumer()
    put(journal, batch(count=5), batch(count=2))
    first, second = mine.claim(10)

    mine.acknowledge([first])
    mine.acknowledge([first])

    assert claims.depth(CLICKS).items == 2
    mine.acknowledge([second])
    assert claims.depth(CLICKS).items == 0
    assert not claims.waiting(CLICKS)
    assert pending() == 0


def test_two_who_hold_the_same_batch_count_it_once(journal: str) -> None:
    slow, taker = consumer(), consumer()
    put(journal, batch(count=5))
    held = slow.claim(10)
    age(slow, [held[0].entry])
    taken = taker.take_over(taker.stale()[slow.name], MOST)

    taker.acknowledge(taken)
    slow.acknowledge(held)

    assert claims.depth(CLICKS).items == 0


def test_acknowledging_nothing_is_harmless() -> None:
    consumer().acknowledge([])

    assert claims.depth(CLICKS).items == 0


def test_an_entry_that_somebody_deleted_is_an_empty_shell_to_acknowledge(journal: str) -> None:
    mine = consumer()
    put(journal, batch(), batch())
    gone, left = mine.claim(10)
    claims.client().xdel(stream(CLICKS), gone.entry)

    mine.failed()
    again = mine.claim(10)
    mine.acknowledge(again)

    assert [one.id for one in again if one.id] == [left.id]
    assert pending() == 0


def test_an_entry_of_somebody_elses_making_does_not_break_a_claim() -> None:
    claims.client().xadd(stream(CLICKS), {"what": "ever"})

    (claimed,) = consumer().claim(10)

    assert (claimed.id, claimed.count, claimed.version, claimed.body) == ("", 0, b"", b"")


@pytest.mark.parametrize("fields", [{"n": "many"}, {"id": b"\xff\xfe"}, {"n": ""}])
def test_an_entry_with_senseless_fields_does_not_break_a_claim(
    journal: str, fields: dict[Any, Any]
) -> None:
    claims.client().xadd(stream(CLICKS), fields)
    put(journal, batch())

    claimed = consumer().claim(10)
    in_flight = claims.depth(CLICKS).in_flight
    consumer().acknowledge(claimed)

    assert (len(claimed), in_flight) == (2, 1)
    assert not claims.waiting(CLICKS)


def test_a_name_is_forgotten_only_when_it_holds_nothing(journal: str) -> None:
    holder = consumer()
    put(journal, batch())
    claimed = holder.claim(10)
    forget = claims.client().register_script(FORGET_CONSUMER)

    refused = forget(keys=[stream(CLICKS)], args=[GROUP, holder.name])
    assert (refused, pending()) == (0, 1)

    holder.acknowledge(claimed)
    assert forget(keys=[stream(CLICKS)], args=[GROUP, holder.name]) == 1


def test_names_that_were_heard_of_lately_are_kept(journal: str) -> None:
    mine = consumer()
    put(journal, batch())
    mine.acknowledge(mine.claim(10))

    assert claims.forget_idle_consumers(CLICKS) == 0
    assert claims.forget_idle_consumers(Kind.WEBHOOKS) == 0  # nobody has ever claimed one
    names: Any = claims.client().xinfo_consumers(stream(CLICKS), GROUP)
    assert mine.name.encode() in [one["name"] for one in names]


def test_depth_counts_items_waiting_and_in_hand(journal: str) -> None:
    mine = consumer()
    put(journal, batch(count=3), batch(count=4))
    mine.claim(7)
    put(journal, batch(count=5))

    depth = claims.depth(CLICKS)

    assert (depth.items, depth.in_flight) == (12, 7)
    assert 0 <= depth.oldest_seconds < 60


@pytest.mark.parametrize("kind", list(Kind))
def test_an_empty_stream_has_no_depth(journal: str, kind: Kind) -> None:
    depth = claims.depth(kind)

    assert (depth.items, depth.in_flight, depth.oldest_seconds) == (0, 0, 0.0)
    assert claims.oldest_batch_at(kind) is None
    assert not claims.waiting(kind)


def test_the_oldest_batch_tells_the_moment_inside_its_id(journal: str) -> None:
    old = batch(ms=wall_ms() - 3_600_000)
    put(journal, old, batch())

    assert claims.oldest_batch_at(CLICKS) == time_of(old.id)


def test_what_was_there_before_the_group_is_claimed_too(journal: str) -> None:
    claims.client().delete(stream(CLICKS))
    put(journal, batch())
    mine = consumer()

    found = mine.claim(10) or mine.claim(10)

    assert len(found) == 1


def test_a_group_is_made_anew_on_a_server_that_was_emptied(journal: str) -> None:
    mine = consumer()
    put(journal, batch())
    mine.claim(10)
    claims.client().delete(stream(CLICKS), items_key(CLICKS))
    put(journal, batch())

    found = mine.claim(10) or mine.claim(10)

    assert len(found) == 1
    assert mine.stale() == {}
