"""Events: rows of `analytics_events`, partitioned by the month they happened in."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import sql
from psycopg.rows import class_row
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from base.ids import time_of
from db.connection import Tx
from db.table import NOW, Base, Json, Moment, Money, Str50, Str255

# user_id, campaign_id, event_type, source, metadata as JSON, revenue, created_at.
Texts = tuple[str, str | None, str, str | None, str | None, str | None, str]

_COPY = (
    "COPY analytics_events"
    " (user_id, campaign_id, event_type, source, metadata, revenue, created_at) FROM STDIN"
)
_COLUMNS = "id, user_id, campaign_id, event_type, source, metadata, revenue, created_at"


class Event(Base):
    """A click, view, conversion, refund or rebill; but for `change`, never changed once written."""

    __tablename__ = "analytics_events"
    __table_args__ = (
        Index("idx_analytics_user_id", "user_id"),
        Index("idx_analytics_campaign_id", "campaign_id"),
        Index("idx_analytics_event_type", "event_type"),
        Index("idx_analytics_created_at", "created_at"),
        Index("idx_analytics_composite", "user_id", "campaign_id", "event_type", "created_at"),
        CheckConstraint("revenue <> 'NaN'", name="revenue"),
        {"postgresql_partition_by": "RANGE (created_at)"},
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    event_type: Mapped[Str50]
    source: Mapped[Str255 | None]
    metadata_: Mapped[Json | None] = mapped_column("metadata")
    revenue: Mapped[Money | None]
    created_at: Mapped[datetime] = mapped_column(Moment, primary_key=True, server_default=NOW)


class EventRow(NamedTuple):
    """One event as it is stored."""

    id: int
    user_id: UUID
    campaign_id: UUID | None
    event_type: str
    source: str | None
    metadata: Any
    revenue: Decimal | None
    created_at: datetime


def copy(tx: Tx, rows: Iterable[Texts]) -> int:
    """Write rows, all or none, with the least work per row; returns how many.

    Raises psycopg's errors; `CheckViolation` also means that a month has no partition.
    """
    with tx.cursor() as cursor:
        with cursor.copy(_COPY) as stream:
            write = stream.write_row
            for row in rows:
                write(row)
        return cursor.rowcount


def tail(
    tx: Tx,
    after: int | None = None,
    *,
    user_id: UUID | str | None = None,
    campaign_id: UUID | str | None = None,
    event_type: str | None = None,
    known: Collection[int] = (),
    limit: int = 100,
) -> list[EventRow]:
    """Events in the order they were stored: those with an id above `after`, else the newest.

    Ids are given out before commit, so one that commits late appears below others: ask again
    from further back, with the ids that are `known` already left out.
    """
    chosen = {
        "id > %s": after,
        "user_id = %s": user_id,
        "campaign_id = %s": campaign_id,
        "event_type = %s": event_type,
        "id <> ALL(%s::bigint[])": list(known) or None,
    }
    wheres = [where for where, value in chosen.items() if value is not None]
    values = [value for value in chosen.values() if value is not None]
    with tx.cursor(row_factory=class_row(EventRow)) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM analytics_events"
            + (" WHERE " + " AND ".join(wheres) if wheres else "")
            + f" ORDER BY id {'DESC' if after is None else 'ASC'} LIMIT %s",
            (*values, limit),
        ).fetchall()
    return rows[::-1] if after is None else rows


def find_click(tx: Tx, user_id: str, click_ids: Iterable[str]) -> dict[str, str]:
    """The campaign of each of this user's clicks that is stored and belongs to one.

    A click's moment is in its id, so each costs one look into one partition's index.
    """
    wanted = sorted(set(click_ids))
    if not wanted:
        return {}
    # The owner is compared outside: inside, his index could look cheaper than the moment's.
    rows = tx.execute(
        "SELECT wanted.click_id, found.campaign_id::text"
        " FROM unnest(%s::timestamptz[], %s::text[]) AS wanted (at, click_id)"
        " CROSS JOIN LATERAL ("
        "  SELECT user_id, campaign_id FROM analytics_events"
        "  WHERE created_at = wanted.at AND metadata->>'click_id' = wanted.click_id"
        "  LIMIT 1) AS found"
        " WHERE found.user_id = %s::uuid AND found.campaign_id IS NOT NULL",
        ([time_of(one) for one in wanted], wanted, user_id),
    )
    return {row[0]: row[1] for row in rows}


class ClickRow(NamedTuple):
    """A click as payments need it; `about` are the words of its metadata that they inherit."""

    id: str
    user_id: str
    campaign_id: str | None
    source: str | None
    at: datetime
    about: dict[str, Any]


# Of a click's metadata what its sales are counted by, too; no address, no user agent.
_INHERITED = (
    "'{sub1,sub2,sub3,sub4,sub5,sub6,sub7,sub8,sub9,sub10,sub11,sub12,sub13,sub14,sub15,sub16,"
    "sub17,sub18,sub19,sub20,utm_source,utm_medium,utm_campaign,utm_term,utm_content,device,os,"
    "browser,country}'::text[]"
)


def find_clicks(tx: Tx, click_ids: Iterable[str]) -> dict[str, ClickRow]:
    """Those of these clicks that are stored, whosever they are.

    A click's moment is in its id, so each costs one look into one partition's index.
    """
    wanted = sorted(set(click_ids))
    if not wanted:
        return {}
    rows = tx.execute(
        "SELECT wanted.click_id, found.user_id::text, found.campaign_id::text, found.source,"
        "  wanted.at, (SELECT jsonb_object_agg(key, value) FROM jsonb_each(found.metadata)"
        f"  WHERE key = ANY({_INHERITED}))::text"
        " FROM unnest(%s::timestamptz[], %s::text[]) AS wanted (at, click_id)"
        " CROSS JOIN LATERAL ("
        "  SELECT user_id, campaign_id, source, metadata FROM analytics_events"
        "  WHERE created_at = wanted.at AND metadata->>'click_id' = wanted.click_id"
        "  LIMIT 1) AS found",
        ([time_of(one) for one in wanted], wanted),
    )
    return {
        row[0]: ClickRow(row[0], row[1], row[2], row[3], row[4], orjson.loads(row[5] or "{}"))
        for row in rows
    }


class Change(NamedTuple):
    """What became known of a payment's row after it was written; None leaves as it is."""

    user_id: str
    created_at: datetime
    event_type: str
    receipt: str | None  # as its metadata has it
    role: str | None  # None when a correction may have told it since
    revenue: str | None
    campaign_id: str | None
    metadata: str  # JSON of keys to set
    without: list[str]  # keys to remove


def change(tx: Tx, changes: Iterable[Change]) -> int:
    """Correct rows of payments: the one kind of row that is ever changed; returns how many.

    One statement each, so that the moment picks the partition when it is planned.
    """
    count = 0
    for one in changes:
        count += tx.execute(
            "UPDATE analytics_events SET revenue = coalesce(%(revenue)s::numeric, revenue),"
            " campaign_id = coalesce(%(campaign_id)s::uuid, campaign_id),"
            " metadata = (metadata - %(without)s::text[]) || %(metadata)s::jsonb"
            " WHERE created_at = %(created_at)s AND user_id = %(user_id)s"
            " AND event_type = %(event_type)s"
            " AND metadata->>'receipt' IS NOT DISTINCT FROM %(receipt)s"
            " AND (%(role)s::text IS NULL OR metadata->>'role' = %(role)s)"
            " AND NOT metadata ? 'duplicate_of'",
            one._asdict(),
        ).rowcount
    return count


def newest_id(tx: Tx) -> int:
    """The highest id of all events; 0 when there is none."""
    row = tx.execute("SELECT coalesce(max(id), 0) FROM analytics_events").fetchone()
    assert row is not None
    return int(row[0])


def stored(tx: Tx, click_ids: Collection[str]) -> set[str]:
    """Those of these click ids that rows exist of.

    Each moment's rows are read once, however many of the ids share it: an old log counts time
    in whole seconds.
    """
    if not click_ids:
        return set()
    moments = sorted({time_of(one) for one in click_ids})
    rows = tx.execute(
        "SELECT metadata->>'click_id' FROM analytics_events"
        " WHERE created_at = ANY(%s::timestamptz[]) AND created_at BETWEEN %s AND %s"
        " AND metadata->>'click_id' = ANY(%s::text[])",
        (moments, moments[0], moments[-1], list(click_ids)),
    )
    return {row[0] for row in rows}


# One import at a time between looking what is stored and committing the rest.
_IMPORT = 0x686F71


def take_import_turn(tx: Tx) -> None:
    """Wait until no other import writes; ours to write until this transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", (_IMPORT,))


# What is deleted with a user or campaign; a campaign may have had another owner before.
_DOOMED = {
    "user": (
        "user_id = %(key)s",
        "campaign_id IN (SELECT id FROM campaigns WHERE user_id = %(key)s)",
    ),
    "campaign": ("campaign_id = %(key)s",),
}


def purge_chunk(tx: Tx, noun: str, key: UUID | str, limit: int) -> int:
    """Delete at most `limit` events of a `user` or `campaign`; 0 when none is left."""
    for condition in _DOOMED[noun]:
        row = tx.execute(
            f"SELECT tableoid::regclass::text FROM analytics_events WHERE {condition} LIMIT 1",
            {"key": key},
        ).fetchone()
        if row is None:
            continue
        # Within one partition a row has an address: no join, whatever the planner believes.
        statement = sql.SQL(
            "DELETE FROM {part} WHERE ctid = ANY(ARRAY("
            f" SELECT ctid FROM {{part}} WHERE {condition} LIMIT %(limit)s))"
        ).format(part=sql.SQL(row[0]))
        return tx.execute(statement, {"key": key, "limit": limit}).rowcount
    return 0


def count_doomed(tx: Tx, noun: str, key: UUID | str) -> int:
    """How many events go with a `user` or `campaign`; counts them, a second per few million."""
    condition = " OR ".join(_DOOMED[noun])
    row = tx.execute(
        f"SELECT count(*) FROM analytics_events WHERE {condition}", {"key": key}
    ).fetchone()
    assert row is not None
    return int(row[0])
