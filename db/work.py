"""Work rows: what is owed, who has it, and how it ended; the same for every table that has them.

A row is `pending` until its time comes, `running` while a lease holds, then `done` with an
outcome or `dead` with a reason. `attempts` only ever grows, so it names one claim of one row:
whoever lost the lease finds no row to finish.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

from psycopg.rows import dict_row
from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from db.connection import Tx
from db.table import NOW, At, Long, Serial, Word


class WorkRow:
    """The columns of a work row; put `*work_table_args(name)` into the table's arguments."""

    __tablename__: str
    kind_column: ClassVar[str] = "kind"  # which column tells the kinds of rows apart
    # When a row that is pending may be claimed.
    due_when: ClassVar[str] = "next_attempt_at <= statement_timestamp()"

    id: Mapped[Serial]
    state: Mapped[Word] = mapped_column(server_default="pending")
    outcome: Mapped[Word | None]
    reason: Mapped[Word | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[At] = mapped_column(server_default=NOW)
    lease_until: Mapped[At | None]
    last_error: Mapped[Long | None]


Table = type[WorkRow]

# When what waits for something other than a time is due; not infinity, which Python cannot read.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


def work_table_args(name: str) -> tuple[SchemaItem, ...]:
    """The check and the indexes that every work table carries."""
    return (
        CheckConstraint("state IN ('pending', 'running', 'done', 'dead')", name="state"),
        Index(f"idx_{name}_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index(f"idx_{name}_state", "state"),
    )


def due(tx: Tx, table: Table, limit: int, kind: str | None = None) -> list[int]:
    """Ids of rows whose time has come, the longest waiting first; locks nothing.

    A `kind` wants only its rows, of a table that has that column.

    Rows whose lease ran out are among them: `reclaim` before `claim`, or nobody would ever look
    for what the last worker left.
    """
    name = table.__tablename__
    only = "" if kind is None else f" AND {table.kind_column} = %(kind)s"
    rows = tx.execute(
        f"SELECT id FROM (SELECT id, next_attempt_at FROM {name}"
        f"  WHERE state = 'pending' AND next_attempt_at <= statement_timestamp(){only}"
        f" UNION ALL SELECT id, next_attempt_at FROM {name}"
        f"  WHERE state = 'running' AND lease_until < clock_timestamp(){only}) AS found"
        " ORDER BY next_attempt_at, id LIMIT %(limit)s",
        {"limit": limit, "kind": kind},
    )
    return [row[0] for row in rows]


def any_due(tx: Tx, tables: Sequence[tuple[Table, str | None]]) -> list[bool]:
    """Of each table, or of a kind in it, whether a row's time has come or its lease ran out.

    One statement for all: it is asked every second.
    """
    kinds = {f"kind{at}": kind for at, (_, kind) in enumerate(tables)}
    branches = [_any_due(at, table, kind) for at, (table, kind) in enumerate(tables)]
    found = {row[0] for row in tx.execute(" UNION ALL ".join(branches), kinds)}
    return [at in found for at in range(len(tables))]


def _any_due(at: int, table: Table, kind: str | None) -> str:
    name = table.__tablename__
    only = "" if kind is None else f" AND {table.kind_column} = %(kind{at})s"
    return (
        f"SELECT {at} WHERE EXISTS (SELECT FROM {name} WHERE state = 'pending'"
        f" AND {table.due_when}{only}) OR EXISTS (SELECT FROM {name} WHERE state = 'running'"
        f" AND lease_until < clock_timestamp(){only})"
    )


def claim(
    tx: Tx, table: Table, limit: int, lease_seconds: float, kind: str | None = None
) -> list[dict[str, Any]]:
    """Take due rows, all columns, by the database's clock; nobody else has them while leased.

    Commit before working: the lease, not the transaction, keeps others away.
    """
    name = table.__tablename__
    only = "" if kind is None else f" AND {table.kind_column} = %(kind)s"
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"WITH due AS MATERIALIZED (SELECT id FROM {name}"
            f"  WHERE state = 'pending' AND next_attempt_at <= statement_timestamp(){only}"
            "  ORDER BY next_attempt_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
            f" UPDATE {name} AS work SET state = 'running', attempts = attempts + 1,"
            "  lease_until = clock_timestamp() + make_interval(secs => %(lease)s)"
            " FROM due WHERE work.id = due.id RETURNING work.*",
            {"limit": limit, "lease": lease_seconds, "kind": kind},
        ).fetchall()
    return sorted(rows, key=lambda row: (row["next_attempt_at"], row["id"]))


def renew(tx: Tx, table: Table, row_id: int, attempts: int, lease_seconds: float) -> bool:
    """Keep a long job's lease; False when it was lost and the job must stop."""
    return _mine(
        tx, table, row_id, attempts,
        "lease_until = clock_timestamp() + make_interval(secs => %s)", (lease_seconds,),
    )  # fmt: skip


def finish(tx: Tx, table: Table, row_id: int, attempts: int, outcome: str) -> bool:
    """Done, with what came of it; False when the lease was lost."""
    return _mine(
        tx, table, row_id, attempts,
        "state = 'done', outcome = %s, lease_until = NULL, last_error = NULL", (outcome,),
    )  # fmt: skip


def retry(
    tx: Tx, table: Table, row_id: int, attempts: int, delay_seconds: float, error: str | None
) -> bool:
    """Again after a delay, from now by the database's clock; False when the lease was lost."""
    return _mine(
        tx, table, row_id, attempts,
        "state = 'pending', lease_until = NULL, last_error = %s,"
        " next_attempt_at = clock_timestamp() + make_interval(secs => %s)",
        (error, delay_seconds),
    )  # fmt: skip


def bury(
    tx: Tx, table: Table, row_id: int, attempts: int, reason: str, error: str | None = None
) -> bool:
    """Never again by itself: a dead letter with its reason; False when the lease was lost."""
    return _mine(
        tx, table, row_id, attempts,
        "state = 'dead', reason = %s, last_error = %s, lease_until = NULL", (reason, error),
    )  # fmt: skip


def _mine(
    tx: Tx, table: Table, row_id: int, attempts: int, changes: str, values: tuple[Any, ...]
) -> bool:
    """Change a row that this claim still holds."""
    done = tx.execute(
        f"UPDATE {table.__tablename__} SET {changes}"
        " WHERE id = %s AND state = 'running' AND attempts = %s",
        (*values, row_id, attempts),
    )
    return done.rowcount == 1


def replay(tx: Tx, table: Table, row_ids: list[int]) -> int:
    """Dead rows are due again, at once; returns how many of these were dead.

    `attempts` goes on counting, so that a worker that slept through all of it finds no row.
    """
    done = tx.execute(
        f"UPDATE {table.__tablename__} SET state = 'pending', reason = NULL,"
        " next_attempt_at = statement_timestamp() WHERE id = ANY(%s) AND state = 'dead'",
        (row_ids,),
    )
    return done.rowcount


def give_back(tx: Tx, table: Table, claimed: list[tuple[int, int]]) -> int:
    """Rows that were claimed, as (id, attempts), and not begun are due again; returns how many.

    They need not wait for the end of their lease, and keep their place.
    """
    done = tx.execute(
        f"UPDATE {table.__tablename__} AS work SET state = 'pending', lease_until = NULL"
        " FROM unnest(%s::bigint[], %s::int[]) AS mine (id, attempts)"
        " WHERE work.id = mine.id AND work.attempts = mine.attempts AND work.state = 'running'",
        ([one[0] for one in claimed], [one[1] for one in claimed]),
    )
    return done.rowcount


def reclaim(tx: Tx, table: Table) -> int:
    """Rows whose lease ran out are due again; returns how many."""
    name = table.__tablename__
    done = tx.execute(
        f"UPDATE {name} SET state = 'pending', lease_until = NULL,"
        " next_attempt_at = statement_timestamp(), last_error = 'the worker did not come back'"
        f" WHERE id IN (SELECT id FROM {name} WHERE state = 'running'"
        "  AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)"
    )
    return done.rowcount


def mark(tx: Tx, table: Table, kind: str | None = None) -> tuple[int, int]:
    """The last row there is, and how many up to it are due or being worked on."""
    last = tx.execute(f"SELECT coalesce(max(id), 0) FROM {table.__tablename__}").fetchone()
    assert last is not None
    return int(last[0]), until(tx, table, last[0], kind)


def until(tx: Tx, table: Table, last: int, kind: str | None = None) -> int:
    """How many rows up to `last` are due or being worked on; what waits for its time is not."""
    only = "" if kind is None else f" AND {table.kind_column} = %(kind)s"
    row = tx.execute(
        f"SELECT count(*) FROM {table.__tablename__} WHERE id <= %(last)s{only}"
        " AND (state = 'running'"
        "  OR (state = 'pending' AND next_attempt_at <= statement_timestamp()))",
        {"last": last, "kind": kind},
    ).fetchone()
    return int(row[0]) if row else 0


class Depth(NamedTuple):
    """How many rows of a table wait, are worked on, and are dead; how long the first is due."""

    waiting: int
    running: int
    dead: dict[str, int]  # by reason
    retrying: int  # of those that wait or run: tried before
    oldest_seconds: float


def depths(tx: Tx, table: Table, column: str | None = None) -> dict[str, Depth]:
    """What a table owes, per value of one of its columns; without one under the empty name.

    What has nothing that waits, runs or is dead is missing. What is due `NEVER` does not wait
    for a worker.
    """
    group = column or "''"
    rows = tx.execute(
        f"SELECT {group}, CASE state WHEN 'dead' THEN coalesce(reason, '') END,"
        " count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'running'),"
        " count(*), count(*) FILTER (WHERE state <> 'dead'"
        "  AND attempts > CASE state WHEN 'running' THEN 1 ELSE 0 END),"
        " coalesce(extract(epoch FROM statement_timestamp() - min(next_attempt_at)"
        "  FILTER (WHERE state <> 'dead')), 0)"
        # Apart, so that each part finds an index, whichever a table has.
        f" FROM (SELECT * FROM {table.__tablename__} WHERE state IN ('pending', 'running')"
        f"  UNION ALL SELECT * FROM {table.__tablename__} WHERE state = 'dead') AS work"
        " WHERE next_attempt_at < %s GROUP BY 1, 2",
        (NEVER,),
    )
    found: dict[str, Depth] = {}
    for group, reason, waiting, running, count, retrying, oldest in rows:
        before = found.get(group, Depth(0, 0, {}, 0, 0.0))
        if reason is not None:
            found[group] = before._replace(dead={**before.dead, reason: count})
        else:
            seconds = round(max(0.0, float(oldest)), 3)
            found[group] = Depth(waiting, running, before.dead, retrying, seconds)
    return found
