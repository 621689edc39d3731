"""Calling: due calls are claimed fairly by host and user, and what became of them is kept."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from db.connection import Tx

Pair = tuple[str, UUID]  # a lane, and a user who has calls in it
FIRST: Pair = ("", UUID(int=0))

# From one pair to the next by the index, not through all rows.
_PAIRS = """
    WITH RECURSIVE pairs AS (
        (SELECT lane, user_id, next_attempt_at FROM calls
            WHERE state = 'pending' AND (lane, user_id) > (%(lane)s, %(user)s)
            ORDER BY lane, user_id, next_attempt_at LIMIT 1)
        UNION ALL
        SELECT next.* FROM pairs, LATERAL (
            SELECT c.lane, c.user_id, c.next_attempt_at FROM calls c
            WHERE c.state = 'pending' AND (c.lane, c.user_id) > (pairs.lane, pairs.user_id)
            ORDER BY c.lane, c.user_id, c.next_attempt_at LIMIT 1
        ) AS next
    )
    SELECT lane, user_id, next_attempt_at <= statement_timestamp() FROM pairs LIMIT %(limit)s
"""
# By time alone: thousands that fell due in one transaction would be sorted at each claim.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT found.id FROM unnest(%(lanes)s::varchar[], %(users)s::uuid[], %(shares)s::int[])
            AS mine (lane, user_id, share), LATERAL (
            SELECT c.id FROM calls c
            WHERE c.state = 'pending' AND c.lane = mine.lane AND c.user_id = mine.user_id
                AND c.next_attempt_at <= statement_timestamp()
            ORDER BY c.next_attempt_at LIMIT mine.share FOR NO KEY UPDATE SKIP LOCKED
        ) AS found
    )
    UPDATE calls AS c SET state = 'running', attempts = c.attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM due WHERE c.id = due.id RETURNING c.id
"""
# Asked apart, as the plan of the claim cannot know how few rows these are.
_ABOUT = """
    SELECT c.id, c.attempts, c.tries, c.kind, c.lane, c.user_id, c.run_id, c.path, c.key,
        c.request, c.on_unknown, c.most_tries, c.timeout_seconds, c.retry_seconds, u.status,
        c.run_id IS NULL OR (NOT r.cancel AND r.state IN ('pending', 'running')
            AND coalesce(s.state IN ('pending', 'running'), true))
    FROM calls c JOIN users u ON u.id = c.user_id
        LEFT JOIN workflow_runs r ON r.id = c.run_id
        LEFT JOIN workflow_steps s ON s.run_id = c.run_id AND s.path = c.path
    WHERE c.id = ANY(%s::bigint[]) ORDER BY c.next_attempt_at, c.id
"""


class DueCall(NamedTuple):
    """A claimed call; not `wanted` when its run was cancelled or has ended without it."""

    id: int
    attempts: int
    tries: int
    kind: str
    lane: str
    user_id: UUID
    run_id: int | None
    path: str | None
    key: str
    request: bytes | None
    on_unknown: str
    most_tries: int
    timeout_seconds: float
    retry_seconds: float | None
    user_status: str
    wanted: bool


def pairs(tx: Tx, after: Pair, limit: int) -> list[tuple[Pair, bool]]:
    """Pairs behind `after` that have calls waiting, in their order, and whether one is due."""
    rows = tx.execute(_PAIRS, {"lane": after[0], "user": after[1], "limit": limit})
    return [((row[0], row[1]), row[2]) for row in rows]


def claim(tx: Tx, shares: Sequence[tuple[Pair, int]], lease_seconds: float) -> list[DueCall]:
    """Take due calls, at most so many of each pair."""
    values = {
        "lanes": [pair[0] for pair, _ in shares], "users": [pair[1] for pair, _ in shares],
        "shares": [share for _, share in shares], "lease": lease_seconds,
    }  # fmt: skip
    ids = [row[0] for row in tx.execute(_CLAIM, values)]
    return [DueCall(*row) for row in tx.execute(_ABOUT, (ids,))] if ids else []


def abandoned(tx: Tx, ids: Sequence[int]) -> set[int]:
    """Calls whose last attempt has no outcome, since its worker died; it gets `unknown`."""
    rows = tx.execute(
        "UPDATE call_attempts SET outcome = 'unknown', ended_at = clock_timestamp(),"
        " said = 'the worker did not come back'"
        " WHERE call_id = ANY(%s::bigint[]) AND outcome IS NULL RETURNING call_id",
        (list(ids),),
    )
    return {row[0] for row in rows}


def unknown(tx: Tx, ids: Sequence[int]) -> dict[int, int]:
    """How many attempts at each call have an unknown outcome."""
    rows = tx.execute(
        "SELECT call_id, count(*) FROM call_attempts"
        " WHERE call_id = ANY(%s::bigint[]) AND outcome = 'unknown' GROUP BY 1",
        (list(ids),),
    )
    return {row[0]: row[1] for row in rows}


def begin(tx: Tx, calls: Sequence[DueCall]) -> dict[int, int]:
    """Write down that these are being tried; returns the attempt's id by call."""
    if not calls:
        return {}
    ids, numbers = [call.id for call in calls], [call.tries + 1 for call in calls]
    tx.execute("UPDATE calls SET tries = tries + 1 WHERE id = ANY(%s::bigint[])", (ids,))
    made = tx.execute(
        "INSERT INTO call_attempts (call_id, attempt)"
        " SELECT * FROM unnest(%s::bigint[], %s::int[]) RETURNING call_id, id",
        (ids, numbers),
    )
    return {row[0]: row[1] for row in made}


def renew(tx: Tx, mine: Sequence[tuple[int, int]], lease_seconds: float) -> None:
    """Keep the leases of calls, as (id, attempts)."""
    tx.execute(
        "UPDATE calls AS c SET lease_until = clock_timestamp() + make_interval(secs => %s)"
        " FROM unnest(%s::bigint[], %s::int[]) AS mine (id, attempts)"
        " WHERE c.id = mine.id AND c.attempts = mine.attempts AND c.state = 'running'",
        (lease_seconds, [one[0] for one in mine], [one[1] for one in mine]),
    )


class Try(NamedTuple):
    """What became of an attempt."""

    id: int
    outcome: str
    status: int | None
    milliseconds: int
    said: str


_TRIED = """
    UPDATE call_attempts AS a SET outcome = t.outcome, status = t.status, said = t.said,
        milliseconds = t.milliseconds, ended_at = clock_timestamp()
    FROM jsonb_to_recordset(%s::jsonb) AS t (id bigint, outcome text, status int,
        milliseconds int, said text)
    WHERE a.id = t.id
"""


def tried(tx: Tx, tries: Iterable[Try]) -> None:
    """Write down what became of attempts."""
    tx.execute(_TRIED, (_json(sorted(tries)),))


class Turn(NamedTuple):
    """How a call goes on: `done` with an outcome, `dead` with a reason, or again later."""

    id: int
    attempts: int
    state: str
    outcome: str | None = None
    reason: str | None = None
    error: str | None = None
    delay_seconds: float | None = None


_TURNS = """
    UPDATE calls AS c SET state = t.state, outcome = t.outcome, reason = t.reason,
        last_error = t.error, lease_until = NULL,
        next_attempt_at = CASE WHEN t.delay_seconds IS NULL THEN c.next_attempt_at
            ELSE clock_timestamp() + make_interval(secs => t.delay_seconds) END,
        request = CASE WHEN t.state <> 'done' THEN c.request END,
        ended_at = CASE WHEN t.state <> 'pending' THEN clock_timestamp() END
    FROM jsonb_to_recordset(%s::jsonb) AS t (id bigint, attempts int, state text, outcome text,
        reason text, error text, delay_seconds float8)
    WHERE c.id = t.id AND c.attempts = t.attempts AND c.state = 'running' RETURNING c.id
"""


def turn(tx: Tx, turns: Iterable[Turn]) -> set[int]:
    """Say how calls go on; returns the ids of those that were still ours."""
    return {row[0] for row in tx.execute(_TURNS, (_json(sorted(turns)),))}


def hold_runs(tx: Tx, run_ids: Iterable[int]) -> None:
    """Lock runs before their calls, as those who carry them out do."""
    tx.execute(
        "SELECT id FROM workflow_runs WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
        (list(run_ids),),
    )


def put_off(tx: Tx, told: Sequence[tuple[int, str, int, str]]) -> None:
    """Let steps that wait for their calls say how often and with what those failed.

    As (run, path, tries, error).
    """
    rows = [{"run_id": r, "path": p, "attempt": n, "error": e} for r, p, n, e in sorted(told)]
    tx.execute(
        "UPDATE workflow_steps AS s SET attempt = t.attempt, error = t.error"
        " FROM jsonb_to_recordset(%s::jsonb) AS t (run_id bigint, path text, attempt int,"
        "  error text) WHERE s.run_id = t.run_id AND s.path = t.path AND s.state = 'running'",
        (orjson.dumps(rows).decode(),),
    )


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps([row._asdict() for row in rows]).decode()
