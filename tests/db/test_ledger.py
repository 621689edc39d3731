"""The ledger: a batch is admitted once, whoever asks and however often."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from psycopg import errors

from base.clock import now, wall_ms
from db import ledger, partitions
from db.connection import Tx
from tests import make
from tests.conftest import Connect

DAY_MS = 86_400_000


def test_a_batch_is_admitted_once(tx: Tx) -> None:
    old, new = make.batch_id(), make.batch_id()
    assert ledger.admit(tx, [old]) == {old}

    assert ledger.admit(tx, [new, old]) == {new}


def test_a_batch_that_stands_twice_in_a_list_is_admitted_once(tx: Tx) -> None:
    batch = make.batch_id()

    assert ledger.admit(tx, [batch, batch]) == {batch}
    assert ledger.admit(tx, []) == set()


def test_of_two_at_once_one_writes_the_batch(connect: Connect) -> None:
    one, other = connect(), connect()
    batches = [make.batch_id() for _ in range(100)]

    def admit(session: Tx) -> set[str]:
        with session.transaction():
            return ledger.admit(session, batches)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(admit, [one, other])

    assert first | second == set(batches)
    assert not first & second


def test_a_batch_of_a_rolled_back_transaction_is_new_again(tx: Tx) -> None:
    batch = make.batch_id()
    ledger.admit(tx, [batch])
    tx.rollback()

    assert ledger.admit(tx, [batch]) == {batch}


def test_the_first_and_last_millisecond_of_a_day_lie_in_its_partition(tx: Tx) -> None:
    today = now().date()
    midnight = int(datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp() * 1000)
    first, last, before = (
        make.batch_id(ms) for ms in (midnight, midnight + DAY_MS - 1, midnight - 1)
    )
    ledger.admit(tx, [first, last, before])

    rows = tx.execute(
        f"SELECT replace(batch_id::text, '-', '') FROM ledger_{today:%Y%m%d}"
    ).fetchall()
    assert {row[0] for row in rows} == {first, last}


def test_a_day_without_partition_is_refused(tx: Tx) -> None:
    with pytest.raises(errors.CheckViolation):
        ledger.admit(tx, [make.batch_id(wall_ms() - 400 * DAY_MS)])


def test_partitions_are_made_once_by_two_at_once(connect: Connect) -> None:
    sessions = [connect(), connect()]

    def make_them(session: Tx) -> int:
        with session.transaction():
            return ledger.make_partitions(session, date(2001, 1, 1), date(2001, 1, 5))

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(make_them, sessions))

    assert sorted(made) == [0, 5]
    assert ledger.drop_before(sessions[0], date(2001, 1, 4)) == 3
    left = {name for name in partitions.children(sessions[0], "ledger") if "_2001" in name}
    assert left == {"ledger_20010104", "ledger_20010105"}
    assert ledger.drop_before(sessions[0], date(2001, 2, 1)) == 2


def test_a_migrated_database_has_the_days_it_needs(tx: Tx) -> None:
    today = now().date()

    assert ledger.make_partitions(tx, today - timedelta(days=14), today + timedelta(days=6)) == 0
