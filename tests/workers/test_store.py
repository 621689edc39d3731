"""One drain's transaction: good items are rows, bad ones are kept, and nothing happens twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from base.clock import now, wall_ms
from base.ids import time_of
from db.connection import Tx, transaction
from journal.claims import Claimed
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.make import batch_id
from tests.workers.items import claimed, held, item, rows, sale
from workers.store import AHEAD_DAYS, LEDGER_DAYS, store

DAY_MS = 86_400_000


def stored(*batches: Claimed, kind: Kind = Kind.CLICKS) -> list[Claimed]:
    """Write batches in one transaction of their own, as a drain does."""
    with transaction() as tx:
        return store(tx, kind, list(batches), now())


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> dict[str, Any]:
    """A campaign and its user."""
    return make.campaign(session)


def test_an_item_becomes_its_row(session: Tx, campaign: dict[str, Any]) -> None:
    click = item(campaign["user_id"], campaign["id"], source="mail", meta={"sub1": "x", "ua": ""})
    batch = claimed(click)

    done = stored(batch)

    (row,) = rows(session)
    assert done == [batch]
    assert (row["user_id"], row["campaign_id"]) == (campaign["user_id"], campaign["id"])
    assert (row["event_type"], row["source"], row["revenue"]) == ("click", "mail", None)
    assert row["created_at"] == time_of(click["id"])
    assert (row["metadata"]["click_id"], row["metadata"]["sub1"]) == (click["id"], "x")
    assert row["metadata"]["bot"]  # the worker has enriched it


@pytest.mark.parametrize(
    ("more", "revenue"),
    [
        ({}, "10.00"),
        ({"type": "rebill"}, "10.00"),
        ({"type": "refund"}, "-10.00"),
        ({"amount": "99999999.99"}, "99999999.99"),
        ({"currency": "EUR"}, None),
    ],
)
def test_money_is_dollars_or_nothing(
    session: Tx, campaign: dict[str, Any], more: dict[str, Any], revenue: str | None
) -> None:
    stored(claimed(sale(campaign["user_id"], **more)), kind=Kind.CONVERSIONS)

    assert [row["revenue"] for row in rows(session)] == [revenue and Decimal(revenue)]


def test_a_sale_that_names_only_its_click_gets_the_clicks_campaign(
    session: Tx, campaign: dict[str, Any]
) -> None:
    click = item(campaign["user_id"], campaign["id"])
    stored(claimed(click))

    stored(claimed(sale(campaign["user_id"], click=click["id"])), kind=Kind.CONVERSIONS)

    _, sold = rows(session)
    assert sold["campaign_id"] == campaign["id"]
    assert sold["click_id"] == click["id"]


def test_a_click_of_another_tenant_lends_no_campaign(session: Tx, campaign: dict[str, Any]) -> None:
    click = item(campaign["user_id"], campaign["id"])
    stored(claimed(click))
    other = make.user(session)

    stored(claimed(sale(other["id"], click=click["id"])), kind=Kind.CONVERSIONS)

    assert rows(session)[1]["campaign_id"] is None


def test_the_same_batch_in_one_claim_and_in_the_next_is_stored_once(
    session: Tx, campaign: dict[str, Any]
) -> None:
    batch = claimed(item(campaign["user_id"]), item(campaign["user_id"]))

    first = stored(batch, batch)
    again = stored(batch)

    assert len(rows(session)) == 2
    assert (len(first), len(again)) == (2, 1)  # all of them may be acknowledged


def test_the_same_batch_in_two_drains_at_once_is_stored_once(
    session: Tx, campaign: dict[str, Any]
) -> None:
    batches = [claimed(item(campaign["user_id"])) for _ in range(20)]
    start = Barrier(2)

    def one(mine: list[Claimed]) -> None:
        start.wait()
        stored(*mine)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, [batches, batches[::-1]]))

    assert len(rows(session)) == 20


def test_a_senders_own_id_counts_once_per_user(session: Tx, campaign: dict[str, Any]) -> None:
    user, other = campaign["user_id"], make.user(session)["id"]
    first, again = item(user, event_id="e"), item(user, event_id="e")

    stored(claimed(first, again, item(other, event_id="e")))
    stored(claimed(item(user, event_id="e"), item(user, event_id="f")))

    kept = rows(session)
    assert len(kept) == 3
    assert kept[0]["click_id"] == first["id"]
    assert held(session) == []


def test_events_of_a_deleted_user_or_campaign_go_with_them_their_neighbours_stay(
    session: Tx, campaign: dict[str, Any]
) -> None:
    user = campaign["user_id"]
    gone = make.campaign(session, user_id=user)
    session.execute("DELETE FROM campaigns WHERE id = %s", (gone["id"],))

    done = stored(claimed(item(uuid4()), item(user, gone["id"]), item(user, uuid4()), item(user)))

    assert len(rows(session)) == 1
    assert held(session) == held(session, "pending") == []
    assert len(done) == 1


@pytest.mark.parametrize("table", ["users", "campaigns"])
def test_events_of_a_locked_owner_wait_their_neighbours_do_not(
    session: Tx, campaign: dict[str, Any], connect: Connect, table: str
) -> None:
    neighbour = make.campaign(session)
    key = campaign["user_id"] if table == "users" else campaign["id"]
    other = connect()
    with other.transaction():
        other.execute(f"DELETE FROM {table} WHERE id = %s", (key,))

        stored(
            claimed(
                item(campaign["user_id"], campaign["id"]),
                item(neighbour["user_id"], neighbour["id"]),
            )
        )

    assert [row["campaign_id"] for row in rows(session)] == [neighbour["id"]]
    assert held(session, "pending") == [(0, "owner_locked")]


def test_what_is_too_old_for_the_ledger_is_a_dead_letter(
    session: Tx, campaign: dict[str, Any]
) -> None:
    ms = wall_ms() - (LEDGER_DAYS + 3) * DAY_MS

    done = stored(claimed(item(campaign["user_id"]), ms=ms), claimed(item(campaign["user_id"])))

    assert held(session) == [(-1, "stale")]
    assert (len(rows(session)), len(done)) == (1, 2)


def test_what_comes_from_the_future_is_a_dead_letter(session: Tx, campaign: dict[str, Any]) -> None:
    ms = wall_ms() + (AHEAD_DAYS + 1) * DAY_MS

    stored(claimed(item(campaign["user_id"]), ms=ms), claimed(item(campaign["user_id"])))

    assert held(session) == [(-1, "clock_ahead")]
    assert len(rows(session)) == 1


def test_a_batch_of_an_unknown_version_waits_for_who_can_read_it(
    session: Tx, campaign: dict[str, Any]
) -> None:
    strange = claimed(item(campaign["user_id"]), version=b"99")
    known = claimed(item(campaign["user_id"]))

    assert stored(strange, known) == [known]
    assert len(rows(session)) == 1
    assert stored(strange) == []


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"5", b"\xff\xfe", b"null"])
def test_a_body_nobody_can_read_is_a_dead_letter(
    session: Tx, campaign: dict[str, Any], body: bytes
) -> None:
    done = stored(claimed(body=body), claimed(item(campaign["user_id"])))

    assert held(session) == [(-1, "unreadable")]
    assert (len(rows(session)), len(done)) == (1, 2)


def test_a_deleted_entrys_shell_may_be_acknowledged(session: Tx) -> None:
    shell = Claimed(b"1-1", "", 0, b"", b"")

    assert stored(shell) == [shell]
    assert (rows(session), held(session)) == ([], [])


def test_a_batch_without_an_id_is_kept_where_people_see_it(session: Tx) -> None:
    strange = claimed(item(uuid4()), id="no id")

    assert stored(strange) == [strange]
    assert stored(strange) == [strange]
    assert held(session) == [(-1, "unreadable")]


def test_a_month_without_a_partition_is_a_dead_letter(
    session: Tx, campaign: dict[str, Any]
) -> None:
    old = item(campaign["user_id"], id=batch_id(wall_ms() - 400 * DAY_MS))
    far = item(campaign["user_id"], id=batch_id(wall_ms() + 400 * DAY_MS))

    stored(claimed(item(campaign["user_id"]), old, far, item(campaign["user_id"])))

    assert held(session) == [(1, "no_partition"), (2, "no_partition")]
    assert len(rows(session)) == 2


def test_thousands_without_a_partition_do_not_take_long(
    session: Tx, campaign: dict[str, Any]
) -> None:
    ms = wall_ms() - 400 * DAY_MS
    old = [item(campaign["user_id"], id=batch_id(ms)) for _ in range(2_000)]

    with transaction() as tx:
        tx.execute("SET LOCAL statement_timeout = '3s'")
        began = now()
        store(tx, Kind.CLICKS, [claimed(*old)], now())

    assert now() - began < timedelta(seconds=3)
    assert len(held(session)) == 2_000


POISON: dict[str, Any] = {
    "no object": 5,
    "nothing": None,
    "a list": [],
    "an empty object": {},
    "an unknown type": {"type": "clack"},
    "a type that is none": {"type": ["click"]},
    "an owner that is no id": {"user": "me"},
    "an owner that is no text": {"user": 5},
    "an owner that is no id, with a click": {"user": "me", "click": batch_id()},
    "a campaign that is no id": {"campaign": "mine"},
    "a campaign that is no text": {"campaign": {}},
    "an id that is none": {"id": "zz"},
    "no id": {"id": None},
    "an id past all time": {"id": "ffffffffffff7fff8fffffffffffffff"},
    "an id of another century": {"id": batch_id(1_000)},
    "NUL in the metadata": {"meta": {"a": "\0"}},
    "NUL deep in the metadata": {"meta": {"a": [{"b\0": 1}]}},
    "metadata that is a list": {"meta": [1]},
    "no metadata": {"meta": None},
    "NUL in the source": {"source": "\0"},
    "a source too long": {"source": "x" * 256},
    "a source that is no text": {"source": {}},
    "an amount too large": {"amount": "99999999999"},
    "an amount that is no number": {"amount": "NaN"},
    "an amount that is no text": {"amount": 5},
    "a sender's id too long": {"event_id": "x" * 300},
    "NUL in a sender's id": {"event_id": "\0"},
    "a sender's id that is no text": {"event_id": 5},
    "a click that is no text": {"click": 5},
}


def poisoned(user: Any, name: str) -> Any:
    what = POISON[name]
    return item(user) | what if isinstance(what, dict) and what else what


@pytest.mark.parametrize("name", POISON)
def test_poison_alone_is_a_dead_letter(session: Tx, campaign: dict[str, Any], name: str) -> None:
    done = stored(claimed(poisoned(campaign["user_id"], name)))

    ((position, reason),) = held(session)
    assert (position, len(done)) == (0, 1)
    assert reason
    assert rows(session) == []


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(st.sampled_from([None, None, None, *POISON]), max_size=12), max_size=4))
def test_poison_anywhere_holds_up_nobody(database: str, plan: list[list[str | None]]) -> None:
    with transaction() as tx:
        user = make.user(tx)["id"]
    batches = [
        [item(user) if name is None else poisoned(user, name) for name in names] for names in plan
    ]
    made = [claimed(*items) for items in batches]
    good = {
        one["id"]
        for names, items in zip(plan, batches, strict=True)
        for name, one in zip(names, items, strict=True)
        if name is None
    }
    bad = {
        (batch.id, position)
        for names, batch in zip(plan, made, strict=True)
        for position, name in enumerate(names)
        if name is not None
    }

    done = stored(*made)

    with transaction() as tx:
        kept = [row["click_id"] for row in rows(tx) if row["user_id"] == user]
        dead = tx.execute(
            "SELECT replace(batch_id::text, '-', ''), position FROM held_events"
            " WHERE batch_id = ANY(%s::uuid[]) AND state = 'dead'",
            ([batch.id for batch in made],),
        ).fetchall()
    assert done == made
    assert sorted(kept) == sorted(good)
    assert sorted(dead) == sorted(bad)
