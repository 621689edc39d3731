"""Handing over: what is due among the deliveries is claimed, counted when it is done, or let be."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from db import work
from db.connection import Tx
from db.deliveries import BonusDelivery

# Lanes are few and their rows many: from one to the next by the index, not through all rows.
_LANES = """
    WITH RECURSIVE lanes AS (
        (SELECT lane FROM bonus_deliveries WHERE state = 'pending' AND kind = 'email'
            ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT d.lane FROM bonus_deliveries d WHERE d.state = 'pending'
            AND d.kind = 'email' AND d.lane > lanes.lane ORDER BY d.lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
"""
_CLAIM = (
    _LANES
    + """, room AS (
        SELECT lanes.lane, greatest(%(lane_room)s - coalesce(busy.mails, 0), 0) AS free
        FROM lanes LEFT JOIN unnest(%(lanes)s::varchar[], %(mails)s::int[])
            AS busy (lane, mails) ON busy.lane = lanes.lane
        WHERE lanes.lane IS NOT NULL
    ), due AS MATERIALIZED (
        SELECT found.id FROM room, LATERAL (
            SELECT d.id, d.next_attempt_at FROM bonus_deliveries d
            WHERE d.state = 'pending' AND d.kind = 'email' AND d.lane = room.lane
                AND d.next_attempt_at <= statement_timestamp()
            ORDER BY d.next_attempt_at, d.id LIMIT room.free FOR NO KEY UPDATE SKIP LOCKED
        ) AS found ORDER BY found.next_attempt_at LIMIT %(room)s
    ), mine AS (
        UPDATE bonus_deliveries AS d SET state = 'running', attempts = d.attempts + 1,
            lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
        FROM due WHERE d.id = due.id RETURNING d.id
    )
    SELECT id FROM mine
"""
)


# Asked apart: joined to what was just claimed, whose number no plan can know, it would be looked
# for among all users there are.
_ABOUT = """
    SELECT d.id, d.attempts, d.tries, d.repeats, d.lane, d.receipt, d.address, d.delivered_at,
        d.revoked_at, b.id, b.name, b.description, b.file_url, b.metadata, c.name, u.status
    FROM bonus_deliveries d LEFT JOIN bonuses b ON b.id = d.bonus_id
        LEFT JOIN campaigns c ON c.id = b.campaign_id LEFT JOIN users u ON u.id = d.user_id
    WHERE d.id = ANY(%s::bigint[]) ORDER BY d.next_attempt_at, d.id
"""


class DueMail(NamedTuple):
    """A mail to be sent, and all it is made of; without `bonus_id` the bonus was deleted."""

    id: int
    attempts: int
    tries: int
    repeats: int
    lane: str
    receipt: str
    address: bytes | None
    delivered_at: datetime | None
    revoked_at: datetime | None
    bonus_id: UUID | None
    bonus_name: str | None
    description: str | None
    file_url: str | None
    metadata: Any
    campaign_name: str | None
    user_status: str | None


def claim_mails(
    tx: Tx, busy: Mapping[str, int], lane_room: int, room: int, lease_seconds: float
) -> list[DueMail]:
    """Take due mails, at most `room` and `lane_room` of a lane together with its `busy` ones."""
    values = {
        "lanes": list(busy), "mails": list(busy.values()), "lane_room": lane_room, "room": room,
        "lease": lease_seconds,
    }  # fmt: skip
    ids = [row[0] for row in tx.execute(_CLAIM, values)]
    return [DueMail(*row) for row in tx.execute(_ABOUT, (ids,))] if ids else []


class DueLink(NamedTuple):
    """A link to be issued; without `exists` the bonus was deleted."""

    id: int
    address: bytes | None
    exists: bool
    metadata: Any


def due_links(tx: Tx, limit: int) -> list[DueLink]:
    """Links that are due, ours until we commit."""
    rows = tx.execute(
        "SELECT d.id, d.address, b.id IS NOT NULL, b.metadata"
        " FROM bonus_deliveries d LEFT JOIN bonuses b ON b.id = d.bonus_id"
        " WHERE d.state = 'pending' AND d.kind = 'download' AND d.lane = ''"
        " AND d.next_attempt_at <= statement_timestamp()"
        " ORDER BY d.next_attempt_at, d.id LIMIT %s FOR NO KEY UPDATE OF d SKIP LOCKED",
        (limit,),
    ).fetchall()
    return sorted(DueLink(*row) for row in rows)


class Done(NamedTuple):
    """A delivery that was made; `mail` when it is to be mailed as well, over this lane."""

    id: int
    digest: bytes
    mail: str | None = None


_ISSUED = """
    WITH mine AS (
        SELECT d.id, d.delivered_at IS NULL AS is_first, told.digest, told.mail
        FROM unnest(%s::bigint[], %s::bytea[], %s::varchar[]) AS told (id, digest, mail)
        JOIN bonus_deliveries d ON d.id = told.id
    ), done AS (
        UPDATE bonus_deliveries AS d SET attempts = d.attempts + 1, last_error = NULL,
            delivered_at = coalesce(d.delivered_at, clock_timestamp()),
            address_digest = mine.digest,
            state = CASE WHEN mine.mail IS NULL THEN 'done' ELSE 'pending' END,
            outcome = CASE WHEN mine.mail IS NULL THEN 'delivered' END,
            address = CASE WHEN mine.mail IS NOT NULL THEN d.address END,
            kind = CASE WHEN mine.mail IS NULL THEN d.kind ELSE 'email' END,
            lane = coalesce(mine.mail, d.lane)
        FROM mine WHERE d.id = mine.id RETURNING mine.is_first, d.bonus_id, d.delivered_at
    )
    SELECT bonus_id, count(*), max(delivered_at) FROM done WHERE is_first GROUP BY bonus_id
"""
_MAILED = """
    WITH mine AS MATERIALIZED (
        SELECT d.id, d.delivered_at IS NULL AS is_first, told.digest
        FROM unnest(%s::bigint[], %s::int[], %s::bytea[]) AS told (id, attempts, digest)
        JOIN bonus_deliveries d ON d.id = told.id AND d.attempts = told.attempts
            AND d.state = 'running'
        ORDER BY d.id FOR NO KEY UPDATE OF d
    ), done AS (
        UPDATE bonus_deliveries AS d SET state = 'done', outcome = 'delivered', last_error = NULL,
            lease_until = NULL, delivered_at = coalesce(d.delivered_at, clock_timestamp()),
            address = NULL, address_digest = mine.digest
        FROM mine WHERE d.id = mine.id RETURNING mine.is_first, d.bonus_id, d.delivered_at
    )
    SELECT bonus_id, count(*), max(delivered_at) FROM done WHERE is_first GROUP BY bonus_id
"""


def issued(tx: Tx, done: Iterable[Done]) -> None:
    """Links of held deliveries are issued: delivered, and counted the first time."""
    rows = list(done)
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        _count(tx, tx.execute(_ISSUED, columns).fetchall())


def mailed(tx: Tx, done: Iterable[tuple[int, int, bytes]]) -> None:
    """Mails were accepted, as (id, attempts, address's digest); those whose lease was lost stay."""
    rows = sorted(done)
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        _count(tx, tx.execute(_MAILED, columns).fetchall())


def _count(tx: Tx, counts: list[Any]) -> None:
    """Move the bonuses' counts with their deliveries; always in the same order."""
    if not counts:
        return
    ids = [row[0] for row in counts]
    tx.execute("SELECT FROM bonuses WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (ids,))
    tx.execute(
        "UPDATE bonuses AS b SET delivered_count = coalesce(b.delivered_count, 0) + told.more,"
        " last_delivered_at = greatest(b.last_delivered_at, told.at)"
        " FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[]) AS told (id, more, at)"
        " WHERE b.id = told.id",
        (ids, [row[1] for row in counts], [row[2] for row in counts]),
    )


def hurry(tx: Tx, seconds: float) -> None:
    """From now on in this transaction, wait no longer for anybody's lock."""
    tx.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))


def renew(tx: Tx, mine: Iterable[tuple[int, int]], lease_seconds: float) -> None:
    """Keep what is on its way, as (id, attempts)."""
    rows = list(mine)
    tx.execute(
        "UPDATE bonus_deliveries AS d"
        " SET lease_until = clock_timestamp() + make_interval(secs => %s)"
        " FROM unnest(%s::bigint[], %s::int[]) AS told (id, attempts)"
        " WHERE d.id = told.id AND d.attempts = told.attempts AND d.state = 'running'",
        (lease_seconds, [row[0] for row in rows], [row[1] for row in rows]),
    )


def end(tx: Tx, row_id: int, attempts: int, outcome: str) -> None:
    """Nothing more is owed; the address goes, too."""
    if work.finish(tx, BonusDelivery, row_id, attempts, outcome):
        tx.execute("UPDATE bonus_deliveries SET address = NULL WHERE id = %s", (row_id,))


def drop_links(tx: Tx, ids: Iterable[int], outcome: str, *, dead: bool = False) -> None:
    """Links of held deliveries that cannot be issued; dead ones keep their address."""
    tx.execute(
        "UPDATE bonus_deliveries SET state = 'dead', reason = %(word)s WHERE id = ANY(%(ids)s)"
        if dead
        else "UPDATE bonus_deliveries SET state = 'done', outcome = %(word)s, address = NULL"
        " WHERE id = ANY(%(ids)s)",
        {"word": outcome, "ids": list(ids)},
    )


def unsent(tx: Tx, old_seconds: float) -> tuple[int, int]:
    """Mails that the installation's server is to send, and how many of all are overdue so long."""
    row = tx.execute(
        "SELECT count(*) FILTER (WHERE lane = ''), count(*) FILTER (WHERE next_attempt_at"
        "  < statement_timestamp() - make_interval(secs => %s))"
        " FROM bonus_deliveries WHERE kind = 'email' AND state = 'pending'"
        " AND next_attempt_at < '9999-01-01'",
        (old_seconds,),
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
