"""Waits: runs that wait for an event of their user."""

from collections.abc import Sequence
from uuid import UUID

import orjson

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
