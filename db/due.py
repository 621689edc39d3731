"""Due workflows: claimed by the database's clock, fired, and given their next time."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from db.connection import Tx


class Due(NamedTuple):
    """A workflow whose time has come, locked until the transaction ends.

    `config` is the trigger's, as JSON text. `account` is the owner's status. `running` is a run
    of it that has not ended.
    """

    id: str
    user_id: str
    at: datetime
    trigger_type: str
    config: str | None
    version: int
    account: str
    running: int | None


_CLAIM = """
    SELECT w.id::text, w.user_id::text, greatest(w.next_run_at, 'epoch'), w.trigger_type,
        w.trigger_config::text,
        s.version, u.status,
        (SELECT r.id FROM workflow_runs r
            WHERE r.workflow_id = w.id AND r.state IN ('pending', 'running') LIMIT 1)
    FROM workflows w JOIN workflow_states s ON s.workflow_id = w.id JOIN users u ON u.id = w.user_id
    WHERE w.next_run_at <= statement_timestamp() AND w.status = 'active'
    ORDER BY w.next_run_at LIMIT %s FOR NO KEY UPDATE OF w SKIP LOCKED
"""


def claim(tx: Tx, limit: int) -> tuple[list[Due], datetime]:
    """Due workflows that nobody else is firing, the longest due first; and the database's time.

    A time before 1970, which somebody set by hand and Python may not be able to read, is 1970.
    """
    found = [Due(*row) for row in tx.execute(_CLAIM, (limit,))]
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return found, row[0]


def seconds_until_next(tx: Tx) -> float | None:
    """How long until the next workflow or waiting run is due; None when none is within an hour.

    A changed workflow that nobody has looked at is due.
    """
    row = tx.execute(
        "SELECT extract(epoch FROM least("
        " (SELECT now() FROM workflow_states WHERE NOT checked LIMIT 1),"
        " (SELECT min(next_run_at) FROM workflows WHERE next_run_at < now() + interval '1 hour'),"
        " (SELECT min(next_attempt_at) FROM workflow_runs WHERE state = 'pending' AND NOT ready"
        "  AND next_attempt_at < now() + interval '1 hour')) - clock_timestamp())::float8"
    ).fetchone()
    return row[0] if row else None


class Fired(NamedTuple):
    """A workflow that fires once, at its due time, and may start at once."""

    id: str
    user_id: str
    version: int
    due: str  # as PostgreSQL reads it
    next: str | None


_FIRE = """
    WITH plan AS MATERIALIZED (
        SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::timestamptz[],
            %s::timestamptz[]) AS p (id, user_id, version, due, next)
    ), moved AS (
        UPDATE workflows w SET last_run_at = statement_timestamp(), next_run_at = plan.next
        FROM plan WHERE w.id = plan.id
    )
    INSERT INTO workflow_runs (workflow_id, user_id, version, trigger, due_at)
    SELECT id, user_id, version, 'scheduled', due FROM plan
    ON CONFLICT (workflow_id, due_at, cause) DO NOTHING
"""


def fire(tx: Tx, fired: Sequence[Fired]) -> int:
    """One run each, and the next time, in one statement; returns how many runs are new."""
    if not fired:
        return 0
    ids, users, versions, dues, nexts = zip(*fired, strict=True)
    done = tx.execute(_FIRE, (list(ids), list(users), list(versions), list(dues), list(nexts)))
    return done.rowcount


def advance(tx: Tx, rows: Sequence[tuple[str, datetime | None, bool]]) -> None:
    """Give workflows, as (id, next time, whether one fired), their next time."""
    if rows:
        tx.execute(
            "UPDATE workflows w SET next_run_at = p.next, last_run_at ="
            " CASE WHEN p.fired THEN statement_timestamp() ELSE w.last_run_at END"
            " FROM unnest(%s::uuid[], %s::timestamptz[], %s::bool[]) AS p (id, next, fired)"
            " WHERE w.id = p.id",
            (
                [row[0] for row in rows], [row[1] and row[1].isoformat() for row in rows],
                [row[2] for row in rows],
            ),
        )  # fmt: skip


def pause(tx: Tx, problems: Sequence[tuple[str, str]]) -> None:
    """Pause workflows, as (id, why); a person reads why."""
    if not problems:
        return
    ids = [one[0] for one in problems]
    tx.execute("UPDATE workflows SET status = 'paused' WHERE id = ANY(%s::uuid[])", (ids,))
    tx.execute(
        "UPDATE workflow_states s SET problem = p.problem, checked = true, listens = NULL"
        " FROM unnest(%s::uuid[], %s::text[]) AS p (id, problem) WHERE s.workflow_id = p.id",
        (ids, [one[1][:2000].replace("\0", "") for one in problems]),
    )


def queued(tx: Tx, workflow_ids: Sequence[str]) -> dict[str, int]:
    """How many runs of these workflows wait for the one before; what has none is missing."""
    rows = tx.execute(
        "SELECT workflow_id::text, count(*) FROM workflow_runs"
        " WHERE workflow_id = ANY(%s::uuid[]) AND state = 'pending' AND queued GROUP BY 1",
        (list(workflow_ids),),
    )
    return {row[0]: row[1] for row in rows}


def cancel_before(tx: Tx, workflow_ids: Sequence[str]) -> None:
    """Ask all runs of these workflows that have not ended to end."""
    tx.execute(
        "UPDATE workflow_runs SET cancel = true, ready = true"
        " WHERE workflow_id = ANY(%s::uuid[]) AND state IN ('pending', 'running')",
        (list(workflow_ids),),
    )


class Changed(NamedTuple):
    """A workflow that nobody has looked at since it was changed; JSON columns as text."""

    id: str
    name: str
    status: str
    trigger_type: str
    config: str | None
    conditions: str | None
    actions: str
    planned: bool  # whether it has a next time


def changed(tx: Tx, limit: int) -> tuple[list[Changed], datetime]:
    """Changed workflows, locked until the transaction ends; and the database's time.

    Locked first and read afterwards: what is read is what the lock keeps.
    """
    ids = [
        row[0]
        for row in tx.execute(
            "SELECT w.id FROM workflow_states s JOIN workflows w ON w.id = s.workflow_id"
            " WHERE NOT s.checked LIMIT %s FOR NO KEY UPDATE OF w SKIP LOCKED",
            (limit,),
        )
    ]
    rows = (
        tx.execute(
            "SELECT id::text, name, status, trigger_type, trigger_config::text, conditions::text,"
            " actions::text, next_run_at IS NOT NULL FROM workflows WHERE id = ANY(%s)",
            (ids,),
        ).fetchall()
        if ids
        else []
    )
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return [Changed(*one) for one in rows], row[0]


def checked(tx: Tx, rows: Sequence[tuple[str, str | None, datetime | None]]) -> None:
    """Workflows that were looked at, as (id, the kind of event it listens to, its next time)."""
    if not rows:
        return
    tx.execute(
        "UPDATE workflow_states s SET checked = true, listens = p.listens,"
        " problem = CASE WHEN w.status = 'active' THEN NULL ELSE s.problem END"
        " FROM unnest(%s::uuid[], %s::text[]) AS p (id, listens), workflows w"
        " WHERE s.workflow_id = p.id AND w.id = p.id",
        ([row[0] for row in rows], [row[1] for row in rows]),
    )
    planned = [(row[0], row[2].isoformat()) for row in rows if row[2] is not None]
    if planned:
        tx.execute(
            "UPDATE workflows w SET next_run_at = p.next"
            " FROM unnest(%s::uuid[], %s::timestamptz[]) AS p (id, next)"
            " WHERE w.id = p.id AND w.next_run_at IS NULL",
            ([one[0] for one in planned], [one[1] for one in planned]),
        )
