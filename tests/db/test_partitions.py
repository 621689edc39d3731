"""Months of events: made once, by whoever comes first, and never at a writer's cost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from psycopg import sql

from base.clock import now
from base.errors import Transient
from db import partitions
from db.connection import Tx
from tests import make
from tests.conftest import Connect


def _drop(session: Tx, names: list[str]) -> None:
    for name in names:
        session.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def test_a_migrated_database_has_three_months_ahead_and_ninety_days_back(tx: Tx) -> None:
    assert partitions.ensure_months(tx) == []
    today = now()
    assert (today.year, today.month) in partitions.months(tx)


def test_months_are_made_across_a_turn_of_the_year(tx: Tx) -> None:
    made = partitions.ensure_months(tx, date(2001, 11, 30), date(2002, 1, 1))

    assert made == [
        "analytics_events_2001_11",
        "analytics_events_2001_12",
        "analytics_events_2002_01",
    ]
    assert {(2001, 11), (2001, 12), (2002, 1)} <= partitions.months(tx)
    assert partitions.ensure_months(tx, date(2001, 11, 1), date(2002, 1, 31)) == []


def test_months_are_those_of_utc_in_any_time_zone(tx: Tx) -> None:
    tx.execute("SET LOCAL TimeZone = 'Pacific/Auckland'")
    partitions.ensure_months(tx, date(2001, 5, 1), date(2001, 5, 1))
    user = make.user(tx)["id"]
    make.event(tx, user, created_at="2001-05-31 23:59:59.999+00")

    assert (2001, 5) in partitions.months(tx)
    assert tx.execute("SELECT count(*) FROM analytics_events_2001_05").fetchone() == (1,)


def test_a_new_month_has_the_indexes_and_keys_of_the_others(tx: Tx) -> None:
    partitions.ensure_months(tx, date(2001, 5, 1), date(2001, 5, 1))

    indexes = tx.execute(
        "SELECT count(*) FROM pg_index WHERE indrelid = 'analytics_events_2001_05'::regclass"
    ).fetchone()
    keys = tx.execute(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
        " AND conrelid = 'analytics_events_2001_05'::regclass"
    ).fetchone()
    assert indexes == (6,)
    assert keys == (2,)


def test_two_at_once_make_each_month_once(connect: Connect) -> None:
    sessions = [connect(), connect()]

    def make_them(session: Tx) -> list[str]:
        with session.transaction():
            return partitions.ensure_months(session, date(2001, 1, 1), date(2001, 4, 1))

    with ThreadPoolExecutor(2) as pool:
        made = [name for names in pool.map(make_them, sessions) for name in names]

    assert len(made) == len(set(made)) == 4
    _drop(sessions[0], made)


def test_a_locked_table_is_given_up_and_leaves_the_transaction_usable(connect: Connect) -> None:
    holder, session = connect(), connect()
    with holder.transaction(), session.transaction():
        holder.execute("LOCK TABLE analytics_events IN SHARE UPDATE EXCLUSIVE MODE")

        with pytest.raises(Transient):
            partitions.ensure_months(session, date(2001, 1, 1), date(2001, 1, 1))

        assert session.execute("SHOW lock_timeout").fetchone() == ("0",)
        assert (2001, 1) not in partitions.months(session)
