"""The ledger: which batches were written, so that none is written twice."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from psycopg import sql
from sqlalchemy.orm import Mapped, mapped_column

from base.clock import now
from base.ids import floor_at
from db import ids, partitions
from db.connection import Tx
from db.table import Base, CreatedAt

DAYS_BACK = 15  # the horizon is 14: a batch must find its partition on the last day, too
DAYS_AHEAD = 7


class Ledger(Base):
    """The batch ids that were admitted; one partition a UTC day of the moment inside the id."""

    __tablename__ = "ledger"
    __table_args__ = ({"postgresql_partition_by": "RANGE (batch_id)"},)

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    stored_at: Mapped[CreatedAt]


def admit(tx: Tx, batch_ids: Iterable[str]) -> set[str]:
    """Enter batches (32 hex digits each); returns those that were not there before.

    Waits for a transaction that is entering one of them, so that exactly one of the two writes
    the batch. Raises psycopg's `CheckViolation` when a day has no partition.
    """
    rows = tx.execute(
        "INSERT INTO ledger (batch_id) SELECT id FROM unnest(%s::uuid[]) AS id"
        " ORDER BY id ON CONFLICT DO NOTHING RETURNING replace(batch_id::text, '-', '')",
        (ids.array(batch_ids),),
    )
    return {row[0] for row in rows}


def covers(tx: Tx, moment: datetime) -> bool:
    """Whether batches of that moment can still be told apart from repeats."""
    return _name(moment.astimezone(UTC).date()) in partitions.children(tx, Ledger.__tablename__)


def make_partitions(tx: Tx, first: date | None = None, last: date | None = None) -> int:
    """A partition for every day from `first` to `last`, both included; returns how many are new.

    By default from 15 days back to a week ahead. Harmless when they exist and when two run at
    once; raises `Transient` when a lock cannot be had.
    """
    today = now().date()
    day = first or today - timedelta(days=DAYS_BACK)
    last = last or today + timedelta(days=DAYS_AHEAD)
    wanted: list[partitions.Wanted] = []
    while day <= last:
        after = day + timedelta(days=1)
        wanted.append((_name(day), _bound(day), _bound(after)))
        day = after
    return len(partitions.ensure(tx, Ledger.__tablename__, wanted))


def days_missing(tx: Tx, last: date) -> list[date]:
    """The days up to `last`, from the horizon on, that no batch could be entered on."""
    have = partitions.children(tx, Ledger.__tablename__)
    first = now().date() - timedelta(days=DAYS_BACK)
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    return [day for day in days if _name(day) not in have]


def drop_before(tx: Tx, day: date) -> int:
    """Forget the batches of all days before `day`; returns how many partitions went.

    Whoever calls knows that neither the journal nor a spool holds batches that old.
    """
    old = sorted(
        name for name in partitions.children(tx, Ledger.__tablename__) if name < _name(day)
    )
    for name in old:
        partitions.step(tx, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
    return len(old)


def _name(day: date) -> str:
    return f"ledger_{day:%Y%m%d}"


def _bound(day: date) -> str:
    return str(floor_at(datetime(day.year, day.month, day.day, tzinfo=UTC)))
