"""Held events: kept as they came, listed, replayed and dropped."""

from typing import Any
from uuid import uuid4

from db import held, work
from db.connection import Tx
from schemas.items import Item
from tests import make


def _item(user: str) -> Item:
    return {"id": make.batch_id(), "type": "click", "user": user, "meta": {"ua": "x"}}


def test_an_item_is_held_once_per_batch_and_position(tx: Tx) -> None:
    batch, user = make.batch_id(), str(uuid4())
    dead = held.dead_item("clicks", batch, 0, _item(user), "refused_22003", "too\0 big")
    deferred = held.deferred_item("clicks", batch, 1, _item(user))

    assert held.hold(tx, [dead, deferred]) == 2
    assert held.hold(tx, [dead._replace(reason="other")]) == 0
    assert held.hold(tx, []) == 0

    [row] = held.dead(tx, 10)
    assert (row.reason, row.last_error, row.batch_id.hex) == ("refused_22003", "too big", batch)
    assert str(row.user_id) == user
    assert held.counts(tx) == {("clicks", "dead"): 1, ("clicks", "pending"): 1}


def test_a_deferred_item_comes_back_by_itself_and_a_dead_one_when_asked(tx: Tx) -> None:
    batch = make.batch_id()
    held.hold(
        tx,
        [
            held.deferred_item("clicks", batch, 0, _item(str(uuid4())))._replace(delay_seconds=0),
            held.dead_item("clicks", batch, 1, _item(str(uuid4())), "no_partition"),
        ],
    )
    [dead] = held.dead(tx, 10)

    assert len(work.claim(tx, held.HeldEvent, 10, 60)) == 1
    assert held.replay(tx, dead.id)
    [claimed] = work.claim(tx, held.HeldEvent, 10, 60)
    assert claimed["id"] == dead.id
    assert isinstance(claimed["item"], bytes)


def test_junk_of_any_shape_can_be_a_dead_letter(tx: Tx) -> None:
    junk: list[Any] = [None, 7, [], {"user": "no uuid"}, {"user": 5}, {"user": None}]

    holdings = [held.dead_item("clicks", make.batch_id(), 0, one, "unreadable") for one in junk] + [
        held.dead_batch("clicks", make.batch_id(), b"\x00\xff", "r:2", "unreadable", "not JSON")
    ]

    assert held.hold(tx, holdings) == len(junk) + 1
    newest = held.show(tx, held.dead(tx, 1)[0].id)
    assert newest is not None
    assert (newest["item"], newest["position"]) == (b"\x00\xff", held.WHOLE_BATCH)


def test_dead_letters_are_listed_page_by_page_and_dropped(tx: Tx) -> None:
    held.hold(
        tx,
        [held.dead_item("clicks", make.batch_id(), 0, {}, "unreadable") for _ in range(3)],
    )

    first = held.dead(tx, 2)
    rest = held.dead(tx, 2, before=first[-1].id)

    assert [row.id for row in first + rest] == sorted((r.id for r in first + rest), reverse=True)
    assert len(first + rest) == 3
    assert held.drop(tx, first[0].id)
    assert not held.drop(tx, first[0].id)
    assert held.show(tx, first[0].id) is None


def test_what_is_held_for_a_user_goes_with_it(tx: Tx) -> None:
    user = str(uuid4())
    held.hold(
        tx,
        [
            held.dead_item("clicks", make.batch_id(), 0, _item(user), "refused"),
            held.dead_item("clicks", make.batch_id(), 0, _item(str(uuid4())), "refused"),
        ],
    )

    assert held.purge(tx, user) == 1
    assert len(held.dead(tx, 10)) == 1


def test_finished_and_old_rows_are_pruned(tx: Tx) -> None:
    held.hold(tx, [held.deferred_item("clicks", make.batch_id(), 0, _item(str(uuid4())))])
    tx.execute("UPDATE held_events SET state = 'done'")
    held.hold(tx, [held.dead_item("clicks", make.batch_id(), 0, {}, "unreadable")])

    assert held.prune(tx, 90, 10) == 1
    assert len(held.dead(tx, 10)) == 1
