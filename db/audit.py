"""The audit's own records: what doors said they took in, and what became of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from base.ids import floor_at
from db import ids
from db.connection import Tx
from db.table import At, Base, CreatedAt, Moment, Serial, Word

KEPT_DAYS = 30
SPOOL_DAYS = 14
_FOLD_AFTER_SECONDS = 120  # by then a minute's drains are over; later ones are folded later


class DoorCount(Base):
    """What one process's door took in during one minute, as `ingest/tally.py` counts it."""

    __tablename__ = "door_counts"
    __table_args__ = (Index("idx_door_counts_minute", "minute"),)

    process: Mapped[str] = mapped_column(String, primary_key=True)
    minute: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    door: Mapped[str] = mapped_column(String, primary_key=True)
    offered: Mapped[int] = mapped_column(BigInteger)
    acked: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[int] = mapped_column(BigInteger)
    dropped: Mapped[int] = mapped_column(BigInteger)


class EventOutcome(Base):
    """How items ended, added up per drain: many rows a minute and door until they are folded.

    Written in the transaction that stores, so that each item is counted once. What is held is
    not here: it is counted where it lies; who deletes it is counted by a trigger.
    """

    __tablename__ = "event_outcomes"
    __table_args__ = (Index("idx_event_outcomes_minute", "minute"),)

    id: Mapped[Serial]
    minute: Mapped[At]
    door: Mapped[Word]
    outcome: Mapped[Word]
    items: Mapped[int] = mapped_column(BigInteger)


class HostSpool(Base):
    """What waits in one spool folder, as a door that uses it last said."""

    __tablename__ = "host_spools"

    place: Mapped[str] = mapped_column(String, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    oldest_at: Mapped[At | None]
    seen_at: Mapped[CreatedAt]


class Told(NamedTuple):
    """What all processes' doors took in during one minute; see `ingest.tally.Count`."""

    offered: int
    acked: int
    refused: int
    dropped: int


class Spool(NamedTuple):
    """A spool folder that is not empty."""

    place: str
    bytes: int
    oldest_at: datetime | None
    seen_at: datetime


# (minute since 1970, door)
Place = tuple[int, str]


def publish(tx: Tx, process: str, counts: Iterable[tuple[int, str, int, int, int, int]]) -> None:
    """Say what a process's doors took in: (minute, door, offered, acked, refused, dropped).

    Whole numbers of the minute, not additions: saying it twice changes nothing.
    """
    rows = list(counts)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    tx.execute(
        "INSERT INTO door_counts (process, minute, door, offered, acked, refused, dropped)"
        " SELECT %s, to_timestamp(minute * 60.0), door, offered, acked, refused, dropped"
        " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],"
        "  %s::bigint[]) AS said (minute, door, offered, acked, refused, dropped)"
        " ON CONFLICT (process, minute, door) DO UPDATE SET offered = EXCLUDED.offered,"
        "  acked = EXCLUDED.acked, refused = EXCLUDED.refused, dropped = EXCLUDED.dropped",
        (process, *map(list, columns)),
    )


def publish_spool(tx: Tx, place: str, size: int, oldest_at: datetime | None) -> None:
    """Say what waits in a spool folder."""
    tx.execute(
        "INSERT INTO host_spools (place, bytes, oldest_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (place) DO UPDATE SET bytes = EXCLUDED.bytes,"
        "  oldest_at = EXCLUDED.oldest_at, seen_at = now()",
        (place, size, oldest_at),
    )


def record(tx: Tx, ended: Mapping[tuple[int, str, str], int]) -> None:
    """Count items that ended, in their transaction: {(minute, door, outcome): items}.

    Outcomes: `stored`, `duplicate` (its event id was there), `gone` (with its owner), `discarded`.
    """
    if not ended:
        return
    keys = [*zip(*ended, strict=True)]
    tx.execute(
        "INSERT INTO event_outcomes (minute, door, outcome, items)"
        " SELECT to_timestamp(minute * 60.0), door, outcome, items FROM unnest("
        "  %s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS one (minute, door, outcome,"
        "  items)",
        (*map(list, keys), list(ended.values())),
    )


def snapshot(tx: Tx) -> datetime:
    """Have all that follows in this transaction see one moment; returns the database's time."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def told(tx: Tx, since: datetime, until: datetime) -> dict[Place, Told]:
    """What doors took in, minute by minute."""
    rows = tx.execute(
        "SELECT extract(epoch FROM minute)::bigint / 60, door, sum(offered)::bigint,"
        " sum(acked)::bigint, sum(refused)::bigint, sum(dropped)::bigint FROM door_counts"
        " WHERE minute >= %s AND minute < %s GROUP BY 1, 2",
        (since, until),
    )
    return {(row[0], row[1]): Told(*row[2:]) for row in rows}


def outcomes(tx: Tx, since: datetime, until: datetime) -> dict[tuple[int, str, str], int]:
    """How items ended: {(minute, door, outcome): items}."""
    rows = tx.execute(
        "SELECT extract(epoch FROM minute)::bigint / 60, door, outcome, sum(items)::bigint"
        " FROM event_outcomes WHERE minute >= %s AND minute < %s GROUP BY 1, 2, 3",
        (since, until),
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def held(tx: Tx, since: datetime, until: datetime) -> list[tuple[str, str, str]]:
    """What is held of that time: (batch id, items by door, `dead` or `deferred`)."""
    rows = tx.execute(
        "SELECT replace(batch_id::text, '-', ''), doors,"
        " CASE state WHEN 'dead' THEN 'dead' ELSE 'deferred' END"
        " FROM held_events WHERE state <> 'done' AND batch_id >= %s AND batch_id < %s",
        (floor_at(since), floor_at(until)),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def written(tx: Tx, batch_ids: Iterable[str]) -> set[str]:
    """Those of these batches that have been written, whatever still lies in the journal."""
    rows = tx.execute(
        "SELECT replace(batch_id::text, '-', '') FROM ledger WHERE batch_id = ANY(%s::uuid[])",
        (ids.array(batch_ids),),
    )
    return {row[0] for row in rows}


def spools(tx: Tx) -> list[Spool]:
    """The spool folders that were not empty when they were last seen."""
    rows = tx.execute(
        "SELECT place, bytes, oldest_at, seen_at FROM host_spools WHERE bytes > 0 ORDER BY place"
    )
    return [Spool(*row) for row in rows]


def fold(tx: Tx) -> int:
    """Add up what many drains counted of the same minute and door; returns the rows saved."""
    done = tx.execute(
        "WITH many AS (SELECT minute, door, outcome FROM event_outcomes"
        "  WHERE minute < statement_timestamp() - make_interval(secs => %s)"
        "  GROUP BY minute, door, outcome HAVING count(*) > 1 LIMIT 1000),"
        " gone AS (DELETE FROM event_outcomes AS o USING many"
        "  WHERE (o.minute, o.door, o.outcome) = (many.minute, many.door, many.outcome)"
        "  RETURNING o.minute, o.door, o.outcome, o.items),"
        " sums AS (INSERT INTO event_outcomes (minute, door, outcome, items)"
        "  SELECT minute, door, outcome, sum(items)::bigint FROM gone GROUP BY 1, 2, 3"
        "  RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM sums)",
        (_FOLD_AFTER_SECONDS,),
    ).fetchone()
    return int(done[0]) if done else 0


def prune(tx: Tx) -> None:
    """Forget what is older than the audit looks back."""
    for table in ("door_counts", "event_outcomes"):
        tx.execute(
            f"DELETE FROM {table} WHERE minute < now() - make_interval(days => %s)", (KEPT_DAYS,)
        )
    # Beyond the ledger's horizon no batch of a spool can become rows any more.
    tx.execute(
        "DELETE FROM host_spools WHERE seen_at < now() - CASE bytes WHEN 0 THEN interval '1 day'"
        " ELSE make_interval(days => %s) END",
        (SPOOL_DAYS,),
    )
