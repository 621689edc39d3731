"""Work rows: claimed once, fenced by their attempts, by the database's clock."""

from datetime import UTC, datetime
from typing import Any

import pytest

from db import work
from db.connection import Tx
from db.held import HeldEvent
from db.publications import Publication
from db.purges import Purge
from db.webhooks import Webhook
from tests import make
from tests.conftest import Connect


def _row(tx: Tx, **columns: Any) -> int:
    usual = {"kind": "clicks", "batch_id": make.batch_id(), "position": 0, "item": b"{}"}
    made = make.insert(tx, "held_events", usual | columns)
    assert isinstance(made["id"], int)
    return made["id"]


def _column(tx: Tx, row_id: int, name: str) -> Any:
    row = tx.execute(f"SELECT {name} FROM held_events WHERE id = %s", (row_id,)).fetchone()
    assert row is not None
    return row[0]


def test_a_due_row_is_claimed_once(tx: Tx) -> None:
    row_id = _row(tx)

    first, second = work.claim(tx, HeldEvent, 10, 60), work.claim(tx, HeldEvent, 10, 60)

    assert [(row["id"], row["state"], row["attempts"]) for row in first] == [(row_id, "running", 1)]
    assert second == []


def test_two_sessions_claim_different_rows(connect: Connect) -> None:
    one, other = connect(), connect()
    for _ in range(4):
        _row(one)

    with one.transaction(), other.transaction():
        mine = work.claim(one, HeldEvent, 2, 60)
        yours = work.claim(other, HeldEvent, 10, 60)

    assert len(mine) == len(yours) == 2
    assert not {row["id"] for row in mine} & {row["id"] for row in yours}


def test_a_row_is_due_when_its_time_has_come(tx: Tx) -> None:
    _row(tx, next_attempt_at="2999-01-01")
    late = _row(tx, next_attempt_at="2020-01-02")
    later = _row(tx, next_attempt_at="2020-01-03")

    assert work.due(tx, HeldEvent, 10) == [late, later]
    assert work.due(tx, HeldEvent, 1) == [late]
    assert [row["id"] for row in work.claim(tx, HeldEvent, 10, 60)] == [late, later]


def test_finish_retry_and_bury_end_a_claim_each_in_its_way(tx: Tx) -> None:
    done, again, dead = _row(tx), _row(tx), _row(tx)
    work.claim(tx, HeldEvent, 10, 60)

    assert work.finish(tx, HeldEvent, done, 1, "stored")
    assert work.retry(tx, HeldEvent, again, 1, 3600, "away")
    assert work.bury(tx, HeldEvent, dead, 1, "refused", "no such month")

    assert (_column(tx, done, "state"), _column(tx, done, "outcome")) == ("done", "stored")
    assert (_column(tx, again, "state"), _column(tx, again, "last_error")) == ("pending", "away")
    assert _column(tx, again, "next_attempt_at - now() > interval '59 minutes'")
    assert (_column(tx, dead, "state"), _column(tx, dead, "reason")) == ("dead", "refused")
    assert work.due(tx, HeldEvent, 10) == []


def test_who_lost_the_lease_changes_nothing(tx: Tx) -> None:
    row_id = _row(tx)
    work.claim(tx, HeldEvent, 1, lease_seconds=-1)
    assert work.reclaim(tx, HeldEvent) == 1
    [second] = work.claim(tx, HeldEvent, 1, 60)

    assert not work.finish(tx, HeldEvent, row_id, 1, "stored")
    assert not work.retry(tx, HeldEvent, row_id, 1, 0, None)
    assert not work.bury(tx, HeldEvent, row_id, 1, "late")
    assert not work.renew(tx, HeldEvent, row_id, 1, 60)
    assert second["attempts"] == 2
    assert work.finish(tx, HeldEvent, row_id, 2, "stored")


def test_a_row_whose_worker_did_not_come_back_is_due(tx: Tx) -> None:
    left = _row(tx)
    _row(tx)
    work.claim(tx, HeldEvent, 10, 60)
    tx.execute(
        "UPDATE held_events SET lease_until = now() - interval '1 second' WHERE id = %s", (left,)
    )

    assert work.due(tx, HeldEvent, 10) == [left]


def test_a_lease_that_holds_is_not_reclaimed(tx: Tx) -> None:
    row_id = _row(tx)
    work.claim(tx, HeldEvent, 1, lease_seconds=-1)

    assert work.renew(tx, HeldEvent, row_id, 1, 60)
    assert work.reclaim(tx, HeldEvent) == 0


def test_a_replayed_row_is_due_and_still_fenced_from_its_first_worker(tx: Tx) -> None:
    row_id = _row(tx)
    work.claim(tx, HeldEvent, 1, 60)
    work.bury(tx, HeldEvent, row_id, 1, "refused")

    assert work.replay(tx, HeldEvent, [row_id]) == 1
    assert work.replay(tx, HeldEvent, [row_id]) == 0
    assert work.due(tx, HeldEvent, 1) == [row_id]
    work.claim(tx, HeldEvent, 1, 60)
    assert not work.finish(tx, HeldEvent, row_id, 1, "stored")


def test_a_state_that_is_none_is_refused(tx: Tx) -> None:
    with pytest.raises(Exception, match="held_events_state_check"):
        _row(tx, state="sleeping")


def test_one_look_tells_of_many_tables_and_kinds_which_have_something_due(tx: Tx) -> None:
    user = make.user(tx)["id"]
    make.insert(tx, "purges", {"noun": "user", "key": user})
    for kind, due in (("clicks", "now()"), ("conversions", "now() + interval '1 hour'")):
        tx.execute(
            "INSERT INTO held_events (kind, batch_id, position, item, next_attempt_at)"
            f" VALUES (%s, gen_random_uuid(), 0, '', {due})",
            (kind,),
        )
    left = make.webhook(tx, state="running", lease_until=datetime(2020, 1, 1, tzinfo=UTC))
    asked: list[tuple[work.Table, str | None]] = [
        (Purge, None), (HeldEvent, "clicks"), (HeldEvent, "conversions"),
        (Webhook, left["source"]), (Webhook, "another"), (Publication, None),
    ]  # fmt: skip

    assert work.any_due(tx, asked) == [True, True, False, True, False, False]
