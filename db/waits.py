"""Waits: runs that wait for an event of their user."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from db import runs
from db.connection import Tx


def put(tx: Tx, run_id: int, path: str, user_id: UUID, kind: str, where: Sequence[str]) -> None:
    """Have a run wait at a step for an event of this kind that fits; one wait a run."""
    tx.execute(
        "INSERT INTO workflow_waits (run_id, path, user_id, kind, filter)"
        " VALUES (%s, %s, %s, %s, %s::jsonb) ON CONFLICT (run_id) DO UPDATE"
        " SET path = EXCLUDED.path, kind = EXCLUDED.kind, filter = EXCLUDED.filter,"
        " created_at = now()",
        (run_id, path, user_id, kind, orjson.dumps(list(where)).decode()),
    )


def forget(tx: Tx, run_id: int) -> bool:
    """The run waits no longer; False when its event has come, or it never waited."""
    return tx.execute("DELETE FROM workflow_waits WHERE run_id = %s", (run_id,)).rowcount == 1


class Waiting(NamedTuple):
    """A run that waits; `filter` is what must hold of the event, as JSON text."""

    run_id: int
    path: str
    user_id: UUID
    kind: str
    filter: str


_WAITING = f"SELECT {', '.join(Waiting._fields)} FROM workflow_waits".replace(
    "filter", "filter::text"
)


def of_users(tx: Tx, kinds: Collection[str], user_ids: Collection[UUID]) -> list[Waiting]:
    """Runs of these users that wait for one of these kinds, the first to come first."""
    rows = tx.execute(
        f"{_WAITING} WHERE kind = ANY(%s::varchar[]) AND user_id = ANY(%s::uuid[]) ORDER BY run_id",
        (list(kinds), list(user_ids)),
    )
    return [Waiting(*row) for row in rows]


def of_all(tx: Tx, kind: str) -> list[Waiting]:
    """Runs of whomever that wait for a kind."""
    return [Waiting(*row) for row in tx.execute(f"{_WAITING} WHERE kind = %s", (kind,))]


def wake(tx: Tx, found: Sequence[tuple[Waiting, dict[str, Any]]]) -> set[int]:
    """End waits with the event that came, the first of each; returns the runs that go on.

    The run first, as everybody locks them: one that somebody holds is being ended, or its time
    is up, and what comes now is too late.
    """
    if not found:
        return set()
    first: dict[int, tuple[Waiting, dict[str, Any]]] = {}
    for wait, data in found:
        first.setdefault(wait.run_id, (wait, data))
    held = tx.execute(
        "SELECT id FROM workflow_runs WHERE id = ANY(%s) AND state = 'pending' AND NOT ready"
        " ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
        (list(first),),
    ).fetchall()
    woken = set()
    for (run_id,) in held:
        wait, data = first[run_id]
        if forget(tx, run_id) and runs.step_ended(
            tx, run_id, wait.path, state="done", outcome="succeeded", output=data, error=None,
            attempt=1,
        ):  # fmt: skip
            woken.add(run_id)
    return woken
