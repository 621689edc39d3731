"""Health of workflows: how many runs have failed in a row, and whether the owner was told."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from db.connection import Tx


class Definition(NamedTuple):
    """What is there of a workflow that we hold."""

    status: str
    trigger_config: Any


class Health(NamedTuple):
    """How a workflow is; `told_at` is set from the mail on until a run succeeds."""

    user_id: UUID
    name: str
    failures: int
    told_at: datetime | None


def hold(tx: Tx, workflow_ids: list[UUID]) -> dict[UUID, Definition]:
    """These workflows, ours until we commit; before their states, as whoever changes one has it."""
    rows = tx.execute(
        "SELECT id, status, trigger_config FROM workflows WHERE id = ANY(%s)"
        " ORDER BY id FOR NO KEY UPDATE",
        (workflow_ids,),
    )
    return {row[0]: Definition(*row[1:]) for row in rows}


def of(tx: Tx, workflow_ids: list[UUID], failing: list[UUID]) -> dict[UUID, Health]:
    """Those that fail now or did before, ours until we commit; one statement and mostly nothing."""
    rows = tx.execute(
        "SELECT s.workflow_id, s.user_id, w.name, s.failures, s.told_at FROM workflow_states s"
        " JOIN workflows w ON w.id = s.workflow_id WHERE s.workflow_id = ANY(%s)"
        " AND (s.failures > 0 OR s.told_at IS NOT NULL OR s.workflow_id = ANY(%s))"
        " ORDER BY s.workflow_id FOR NO KEY UPDATE OF s",
        (workflow_ids, failing),
    )
    return {row[0]: Health(*row[1:]) for row in rows}


def count(tx: Tx, workflow_id: UUID, failures: int, *, told: bool) -> None:
    """Keep how many runs have failed in a row, and whether the owner knows."""
    tx.execute(
        "UPDATE workflow_states SET failures = %(failures)s,"
        " told_at = CASE WHEN %(told)s THEN coalesce(told_at, now()) END"
        " WHERE workflow_id = %(id)s",
        {"id": workflow_id, "failures": failures, "told": told},
    )


def pause(tx: Tx, workflow_id: UUID, problem: str) -> None:
    """Fire it no more; the owner enables it again."""
    tx.execute("UPDATE workflows SET status = 'paused' WHERE id = %s", (workflow_id,))
    tx.execute(
        "UPDATE workflow_states SET problem = %s WHERE workflow_id = %s", (problem, workflow_id)
    )
