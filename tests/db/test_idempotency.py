"""Idempotency keys: the first event of a sender's id counts, for each user."""

from concurrent.futures import ThreadPoolExecutor

from db import idempotency
from db.connection import Tx
from tests import make
from tests.conftest import Connect


def test_the_first_of_two_events_with_one_id_counts(tx: Tx) -> None:
    user, other = str(make.user(tx)["id"]), str(make.user(tx)["id"])
    one, two, three = make.batch_id(), make.batch_id(), make.batch_id()

    ours = idempotency.claim(tx, [(user, "e1", one), (user, "e1", two), (other, "e1", three)])

    assert ours == {(user, "e1", one), (other, "e1", three)}
    assert idempotency.claim(tx, [(user, "e1", two)]) == set()
    assert idempotency.claim(tx, []) == set()


def test_an_event_that_is_replayed_still_has_its_id(tx: Tx) -> None:
    user, click = str(make.user(tx)["id"]), make.batch_id()
    idempotency.claim(tx, [(user, "e1", click)])

    assert idempotency.claim(tx, [(user, "e1", click)]) == {(user, "e1", click)}


def test_two_at_once_in_opposite_orders_claim_each_id_once(connect: Connect) -> None:
    sessions = [connect(), connect()]
    user = str(make.user(sessions[0])["id"])
    events = [f"event {n}" for n in range(200)]

    def claim(session: Tx, names: list[str]) -> set[idempotency.Key]:
        with session.transaction():
            return idempotency.claim(session, [(user, name, make.batch_id()) for name in names])

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(claim, sessions, [events, events[::-1]])

    claimed = [key[1] for key in first | second]
    assert sorted(claimed) == sorted(events)


def test_old_keys_are_forgotten_in_chunks(tx: Tx) -> None:
    user = str(make.user(tx)["id"])
    idempotency.claim(tx, [(user, f"e{n}", make.batch_id()) for n in range(4)])
    tx.execute(
        "UPDATE idempotency_keys SET seen_at = now() - interval '91 days' WHERE event_id < 'e3'"
    )

    assert [idempotency.prune(tx, 90, 2) for _ in range(3)] == [2, 1, 0]
