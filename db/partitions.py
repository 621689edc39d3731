"""Partitions: made ahead by LIKE and ATTACH, in steps that never hold up writers for long."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from psycopg import sql
from psycopg.errors import LockNotAvailable

from base.clock import now, sleep
from base.errors import Transient
from db.connection import Tx

MONTHS_AHEAD = 3
DAYS_BACK = 90  # how far back clients may date an event
# While a step waits for its lock, every writer behind it waits, too.
_STEP_LOCK_MS = 500
_STEP_TRIES = 5
_TURN_LOCK_MS = 10_000
# Lock class of "whose turn it is"; the second key is the parent's oid.
_TURN = 0x686F70

# (name, from, to): the bounds as literals PostgreSQL reads for the parent's key.
Wanted = tuple[str, str, str]

_CHILDREN = (
    "SELECT child.relname FROM pg_inherits"
    " JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = %s::regclass"
)
# Bounds are printed in the session's time zone, so they are compared as moments, not as texts.
_MONTHS = r"""
    SELECT extract(year FROM month)::int, extract(month FROM month)::int
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    CROSS JOIN LATERAL regexp_match(
        pg_get_expr(child.relpartbound, child.oid), 'FROM \(''(.+)''\) TO \(''(.+)''\)') AS bound
    CROSS JOIN LATERAL generate_series(
        bound[1]::timestamptz AT TIME ZONE 'UTC',
        bound[2]::timestamptz AT TIME ZONE 'UTC' - interval '1 second', '1 month') AS month
    WHERE inhparent = 'analytics_events'::regclass
"""


def months(tx: Tx) -> set[tuple[int, int]]:
    """The (year, month) of UTC that `analytics_events` has a partition for."""
    return {(row[0], row[1]) for row in tx.execute(_MONTHS)}


def ensure_months(tx: Tx, first: date | None = None, last: date | None = None) -> list[str]:
    """A partition of `analytics_events` for every month from `first` to `last`, both included.

    By default from 90 days back to three months ahead. Returns the names that were made now.
    Harmless when they exist, and when two run at once; raises `Transient` when a lock cannot be
    had, so try again later.
    """
    today = now().date()
    first = first or today - timedelta(days=DAYS_BACK)
    last = last or _months_on(today, MONTHS_AHEAD)
    have = months(tx)
    wanted: list[Wanted] = []
    month = first.replace(day=1)
    while month <= last:
        after = _months_on(month, 1)
        if (month.year, month.month) not in have:
            name = f"analytics_events_{month:%Y_%m}"
            wanted.append((name, _midnight(month), _midnight(after)))
        month = after
    return ensure(tx, "analytics_events", wanted)


def _months_on(day: date, count: int) -> date:
    """The first day of the month that comes `count` months after the day's own."""
    years, month = divmod(day.month - 1 + count, 12)
    return date(day.year + years, month + 1, 1)


def _midnight(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat()


def ensure(tx: Tx, parent: str, wanted: Sequence[Wanted]) -> list[str]:
    """Make those partitions of `parent` that are missing; returns their names.

    One process at a time: another waits for its transaction, then finds them made.
    """
    if {name for name, _, _ in wanted} <= children(tx, parent):
        return []
    with tx.transaction():
        _take_turn(tx, parent)
        have = children(tx, parent)
        missing = [one for one in wanted if one[0] not in have]
        for name, lower, upper in missing:
            names = {"parent": sql.Identifier(parent), "name": sql.Identifier(name)}
            # Made beside its parent first: attaching an empty table is a matter of the catalog,
            # and writers of the parent are never locked out.
            step(
                tx,
                sql.SQL("CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)").format(**names),
                sql.SQL(
                    "ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({}) TO ({})"
                ).format(sql.Literal(lower), sql.Literal(upper), **names),
            )
    return [name for name, _, _ in missing]


def children(tx: Tx, parent: str) -> set[str]:
    """The names of a table's partitions."""
    return {row[0] for row in tx.execute(_CHILDREN, (parent,))}


def step(tx: Tx, *statements: sql.Composed) -> None:
    """Run statements that need strong locks: half a second's wait, some tries, then `Transient`.

    A savepoint each time, so that a try that failed holds no locks; the transaction's own
    lock_timeout is as before afterwards.
    """
    for _ in range(_STEP_TRIES):
        try:
            with tx.transaction():
                before = _set_lock_timeout(tx, str(_STEP_LOCK_MS))
                for statement in statements:
                    tx.execute(statement)
                _set_lock_timeout(tx, before)
        except LockNotAvailable:
            sleep(0.1)  # let those through who waited behind us
        else:
            return
    raise Transient("A partition could not be changed: its table is locked by somebody.")


def _take_turn(tx: Tx, parent: str) -> None:
    try:
        with tx.transaction():
            before = _set_lock_timeout(tx, str(_TURN_LOCK_MS))
            tx.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_TURN, parent))
            _set_lock_timeout(tx, before)
    except LockNotAvailable as error:
        raise Transient("Another process is changing partitions.") from error


def _set_lock_timeout(tx: Tx, value: str) -> str:
    """Set it for this transaction; returns what it was."""
    row = tx.execute(
        "SELECT before, set_config('lock_timeout', %s, true)"
        " FROM (SELECT current_setting('lock_timeout') AS before OFFSET 0) AS kept",
        (value,),
    ).fetchone()
    assert row is not None
    return str(row[0])
