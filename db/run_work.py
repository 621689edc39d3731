"""Runs at work: claimed fairly by user, carried out in batches, written down together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from db.connection import Tx
from db.work import NEVER

_USERS = """
    WITH RECURSIVE users AS (
        (SELECT user_id FROM workflow_runs
            WHERE state = 'pending' AND ready AND user_id > %(after)s
            ORDER BY user_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.user_id FROM workflow_runs r
            WHERE r.state = 'pending' AND r.ready AND r.user_id > users.user_id
            ORDER BY r.user_id LIMIT 1)
        FROM users WHERE users.user_id IS NOT NULL
    )
    SELECT user_id FROM users WHERE user_id IS NOT NULL LIMIT %(limit)s
"""
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT found.id FROM unnest(%(users)s::uuid[]) AS u (id), LATERAL (
            SELECT r.id FROM workflow_runs r
            WHERE r.state = 'pending' AND r.ready AND r.user_id = u.id
            ORDER BY r.id LIMIT %(each)s FOR NO KEY UPDATE SKIP LOCKED
        ) AS found LIMIT %(limit)s
    )
    UPDATE workflow_runs AS r SET state = 'running', attempts = r.attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
        started_at = coalesce(r.started_at, clock_timestamp())
    FROM due WHERE r.id = due.id
    RETURNING r.id, r.attempts, r.workflow_id, r.user_id, r.version, r.trigger, r.due_at,
        r.campaign_id, r.input, r.depth, r.cancel, r.outcome, r.started_at,
        r.losses
"""


class Run(NamedTuple):
    """A claimed run; with an `outcome` it had failed, and was replayed."""

    id: int
    attempts: int
    workflow_id: UUID
    user_id: UUID
    version: int
    trigger: str
    due_at: datetime
    campaign_id: UUID | None
    input: Any
    depth: int
    cancel: bool
    outcome: str | None
    started_at: datetime
    losses: int


def now(tx: Tx) -> datetime:
    """The database's clock."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def users_with_work(tx: Tx, after: UUID, limit: int) -> list[UUID]:
    """Users behind `after`, in the order of their ids, who have runs that may be claimed."""
    return [row[0] for row in tx.execute(_USERS, {"after": after, "limit": limit})]


def claim(tx: Tx, users: Sequence[UUID], limit: int, lease_seconds: float) -> list[Run]:
    """Take runs of these users, the same share for each."""
    if not users:
        return []
    each = -(-limit // len(users))
    rows = tx.execute(
        _CLAIM, {"users": list(users), "each": each, "limit": limit, "lease": lease_seconds}
    )
    return sorted((Run(*row) for row in rows), key=lambda run: run.id)


def begin_alone(tx: Tx, run_id: int, attempts: int) -> int | None:
    """Count that a run is begun, until it gets a turn written down; None when it is not ours."""
    row = tx.execute(
        "UPDATE workflow_runs SET losses = losses + 1"
        " WHERE id = %s AND attempts = %s AND state = 'running' RETURNING losses",
        (run_id, attempts),
    ).fetchone()
    return int(row[0]) if row else None


def keep(tx: Tx, mine: Sequence[tuple[int, int]]) -> set[int]:
    """Lock runs, as (id, attempts), until the transaction ends; the ids that are still ours."""
    rows = tx.execute(
        "SELECT r.id FROM workflow_runs r JOIN unnest(%s::bigint[], %s::int[])"
        " AS mine (id, attempts) ON mine.id = r.id AND mine.attempts = r.attempts"
        " WHERE r.state = 'running' ORDER BY r.id FOR NO KEY UPDATE OF r",
        ([one[0] for one in mine], [one[1] for one in mine]),
    )
    return {row[0] for row in rows}


class StepRow(NamedTuple):
    """A step as it is kept; `input` and `output` as JSON values."""

    run_id: int
    path: str
    name: str
    action: str
    state: str
    outcome: str | None
    attempt: int
    key: str
    input: Any
    output: Any
    error: str | None


def steps_of(tx: Tx, run_ids: Sequence[int]) -> dict[int, dict[str, StepRow]]:
    """The steps of runs, by run and path."""
    found: dict[int, dict[str, StepRow]] = {}
    for row in tx.execute(
        "SELECT run_id, path, name, action, state, outcome, attempt, key, input, output, error"
        " FROM workflow_steps WHERE run_id = ANY(%s)",
        (list(run_ids),),
    ):
        step = StepRow(*row)
        found.setdefault(step.run_id, {})[step.path] = step
    return found


_STEPS = """
    INSERT INTO workflow_steps (run_id, path, name, action, state, outcome, attempt, key, input,
        output, error, ended_at)
    SELECT run_id, path, name, action, state, outcome, attempt, key, nullif(input, 'null'),
        nullif(output, 'null'), error,
        CASE WHEN state IN ('done', 'dead') THEN clock_timestamp() END
    FROM jsonb_to_recordset(%s::jsonb) AS s (run_id bigint, path text, name text, action text,
        state text, outcome text, attempt int, key text, input jsonb, output jsonb, error text)
    ON CONFLICT (run_id, path) DO UPDATE SET state = EXCLUDED.state, outcome = EXCLUDED.outcome,
        attempt = EXCLUDED.attempt, input = EXCLUDED.input, output = EXCLUDED.output,
        error = EXCLUDED.error, ended_at = EXCLUDED.ended_at
"""


def put_steps(tx: Tx, rows: Sequence[StepRow]) -> None:
    """Write steps down, new ones and those that were tried again."""
    if rows:
        dumped = orjson.dumps([row._asdict() for row in rows], default=str).decode()
        tx.execute(_STEPS, (dumped,))


class Turn(NamedTuple):
    """How far a run has got: over, or waiting until `wakes_at` (None: until it is told).

    The `outcome` of one that was replayed, and got no turn of its own yet, stays `failed`.
    """

    id: int
    state: str
    outcome: str | None = None
    reason: str | None = None
    error: str | None = None
    ready: bool = False
    wakes_at: datetime | None = None
    campaign_id: UUID | None = None


_TURNS = """
    UPDATE workflow_runs AS r SET state = t.state, outcome = t.outcome,
        reason = left(t.reason, 500), last_error = t.error, lease_until = NULL,
        ready = t.ready OR t.state = 'dead' OR (t.state = 'pending' AND r.cancel),
        next_attempt_at = coalesce(t.wakes_at, %s), campaign_id =
            coalesce(r.campaign_id, t.campaign_id),
        losses = 0, ended_at = CASE WHEN t.state IN ('done', 'dead') THEN clock_timestamp() END
    FROM jsonb_to_recordset(%s::jsonb) AS t (id bigint, state text, outcome text, reason text,
        error text, ready bool, wakes_at timestamptz, campaign_id uuid)
    WHERE r.id = t.id
"""


def put_turns(tx: Tx, turns: Sequence[Turn]) -> None:
    """Say of kept runs how far they got."""
    if turns:
        dumped = orjson.dumps([turn._asdict() for turn in turns], default=str).decode()
        tx.execute(_TURNS, (NEVER, dumped))


def promote(tx: Tx, limit: int) -> int:
    """Runs whose time has come, or whose worker is gone, may be claimed; how many there were."""
    woken = tx.execute(
        "UPDATE workflow_runs SET ready = true WHERE id IN (SELECT id FROM workflow_runs"
        " WHERE state = 'pending' AND NOT ready AND next_attempt_at <= statement_timestamp()"
        " ORDER BY next_attempt_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)",
        (limit,),
    ).rowcount
    lost = tx.execute(
        "UPDATE workflow_runs SET state = 'pending', ready = true, lease_until = NULL,"
        " losses = greatest(losses, 1), last_error = 'the worker did not come back'"
        " WHERE id IN (SELECT id FROM workflow_runs"
        " WHERE state = 'running' AND lease_until < clock_timestamp()"
        " LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)",
        (limit,),
    ).rowcount
    return woken + lost + _release_forgotten(tx)


def _release_forgotten(tx: Tx) -> int:
    """What was queued behind a run that ended in the same moment waits for nobody."""
    rows = tx.execute(
        "SELECT DISTINCT workflow_id FROM workflow_runs WHERE state = 'pending' AND queued"
        " LIMIT 1000"
    ).fetchall()
    return release(tx, [row[0] for row in rows]) if rows else 0


_RELEASE = """
    UPDATE workflow_runs SET ready = true, queued = false, next_attempt_at = clock_timestamp()
    WHERE id IN (
        SELECT DISTINCT ON (q.workflow_id) q.id FROM workflow_runs q
        WHERE q.workflow_id = ANY(%s::uuid[]) AND q.state = 'pending' AND q.queued
            AND NOT q.cancel AND NOT EXISTS (
                SELECT 1 FROM workflow_runs a WHERE a.workflow_id = q.workflow_id
                AND a.state IN ('pending', 'running') AND NOT a.queued)
        ORDER BY q.workflow_id, q.due_at, q.id
    )
"""


def release(tx: Tx, workflow_ids: Sequence[UUID]) -> int:
    """Of each workflow that has no run under way, the first that is queued may begin."""
    return tx.execute(_RELEASE, (list(workflow_ids),)).rowcount
