"""Dead letters of every work table: found by what was wrong, counted, replayed, edited, dropped.

A letter's address is `<noun>:<id>`. A table that has work rows gets its letters read by one line
in `NOUNS`.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from db import work
from db.bonus_claims import BonusClaim
from db.calls import Call
from db.connection import Tx
from db.deliveries import BonusDelivery
from db.held import HeldEvent
from db.product_syncs import ProductSync
from db.publications import Publication
from db.purges import Purge
from db.runs import WorkflowRun
from db.webhooks import Webhook
from db.workflow_events import WorkflowEvent


class Noun(NamedTuple):
    """A work table, and where it keeps what letters are found by, as SQL; NULL where nowhere."""

    table: work.Table
    kind: str
    user: str
    campaign: str
    item: bool = False  # whether it has an item, in bytes, that may be edited
    kept: bool = False  # whether a dropped one stays, done
    address: bool = False  # whether it has one, which goes then


NOUNS = {
    "event": Noun(HeldEvent, "kind", "user_id", "hopfleet_campaign_of(item)", item=True),
    "purge": Noun(
        Purge, "noun",
        "CASE noun WHEN 'user' THEN key END", "CASE noun WHEN 'campaign' THEN key END",
    ),
    "delivery": Noun(BonusDelivery, "kind", "user_id", "campaign_id", kept=True, address=True),
    "claim": Noun(BonusClaim, "'claim'", "user_id", "campaign_id", kept=True, address=True),
    "happening": Noun(WorkflowEvent, "kind", "user_id", "campaign_id"),
    "run": Noun(WorkflowRun, "trigger", "user_id", "campaign_id", kept=True),
    "post": Noun(Publication, "'post'", "user_id", "NULL::uuid"),
    "webhook": Noun(Webhook, "source", "user_id", "NULL::uuid"),
    "sync": Noun(ProductSync, "source", "NULL::uuid", "NULL::uuid"),
    "call": Noun(Call, "kind", "user_id", "NULL::uuid"),
}  # fmt: skip


class Which(NamedTuple):
    """Which letters are wanted; None wants all."""

    kind: str | None = None
    reason: str | None = None
    user: UUID | None = None
    campaign: UUID | None = None
    since: datetime | None = None  # came at this moment or later
    until: datetime | None = None  # came before
    error: str | None = None  # a part of the error's text, in whatever case


class Letter(NamedTuple):
    """A dead letter in a list."""

    id: int
    kind: str
    reason: str | None
    error: str | None
    user_id: UUID | None
    campaign_id: UUID | None
    attempts: int
    created_at: datetime


class Group(NamedTuple):
    """Letters that have something in common."""

    value: str | None
    letters: int
    oldest_at: datetime
    newest_at: datetime


# What letters can be summed up by.
GROUPS = ("reason", "kind", "user", "campaign", "error")

_MOST_ID = 9_223_372_036_854_775_807


def page(tx: Tx, noun: str, which: Which, limit: int, before: int | None = None) -> list[Letter]:
    """Letters, newest first; pass the last one's id as `before` for the next page."""
    of, (where, values) = NOUNS[noun], _where(noun, which)
    rows = tx.execute(
        f"SELECT id, {of.kind}, reason, last_error, {of.user}, {of.campaign}, attempts, created_at"
        f" FROM {of.table.__tablename__} WHERE {where} AND id < %(before)s"
        " ORDER BY id DESC LIMIT %(limit)s",
        {**values, "before": _MOST_ID if before is None else before, "limit": limit},
    )
    return [Letter(*row) for row in rows]


def count(tx: Tx, noun: str, which: Which) -> int:
    """How many there are."""
    where, values = _where(noun, which)
    row = tx.execute(
        f"SELECT count(*) FROM {NOUNS[noun].table.__tablename__} WHERE {where}", values
    ).fetchone()
    return int(row[0]) if row else 0


def summary(tx: Tx, noun: str, which: Which, by: str) -> list[Group]:
    """How many there are by one of `GROUPS`, the most frequent first."""
    of, (where, values) = NOUNS[noun], _where(noun, which)
    columns = {"reason": "reason", "error": "last_error"} | {
        "kind": of.kind, "user": of.user, "campaign": of.campaign,
    }  # fmt: skip
    rows = tx.execute(
        f"SELECT ({columns[by]})::text, count(*), min(created_at), max(created_at)"
        f" FROM {of.table.__tablename__} WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1",
        values,
    )
    return [Group(*row) for row in rows]


def show(tx: Tx, noun: str, row_id: int) -> dict[str, Any] | None:
    """All columns of one letter; None when there is no such dead row."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            f"SELECT * FROM {NOUNS[noun].table.__tablename__} WHERE id = %s AND state = 'dead'",
            (row_id,),
        ).fetchone()


def replay(tx: Tx, noun: str, ids: list[int]) -> int:
    """Try letters again, at once; returns how many of these were dead."""
    return work.replay(tx, NOUNS[noun].table, ids)


def drop(tx: Tx, noun: str, ids: list[int]) -> int:
    """Throw letters away for good; returns how many of these were dead."""
    of = NOUNS[noun]
    how = (
        f"UPDATE {of.table.__tablename__}"
        f" SET state = 'done', outcome = 'dropped', reason = NULL{', address = NULL' * of.address}"
        if of.kept
        else f"DELETE FROM {of.table.__tablename__}"
    )
    done = tx.execute(f"{how} WHERE id = ANY(%s) AND state = 'dead'", (ids,))
    return done.rowcount


def edit(tx: Tx, noun: str, row_id: int, was: bytes, item: bytes, user: str | None) -> bool:
    """Put another item in a letter's place, and keep what first came; `user` is its owner's id.

    False when the letter is not dead any more, or does not hold `was`.
    """
    done = tx.execute(
        f"UPDATE {NOUNS[noun].table.__tablename__} SET item = %s, user_id = %s,"
        " original = coalesce(original, item)"
        " WHERE id = %s AND state = 'dead' AND item = %s",
        (item, user, row_id, was),
    )
    return done.rowcount == 1


def _where(noun: str, which: Which) -> tuple[str, dict[str, Any]]:
    """The condition, and the values it names."""
    of = NOUNS[noun]
    conditions = {
        "kind": f"{of.kind} = %(kind)s",
        "reason": "reason = %(reason)s",
        "user": f"{of.user} = %(user)s",
        "campaign": f"{of.campaign} = %(campaign)s",
        "since": "created_at >= %(since)s",
        "until": "created_at < %(until)s",
        "error": "position(lower(%(error)s) IN lower(last_error)) > 0",
    }
    values = {name: value for name, value in which._asdict().items() if value is not None}
    return " AND ".join(["state = 'dead'", *(conditions[name] for name in values)]), values
