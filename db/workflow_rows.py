"""Rows of workflows: added, listed, changed and switched, as commands do it."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import sql
from psycopg.rows import class_row

from db.connection import Tx
from db.paging import Place

# Of a short id so many digits are read: fewer would name another workflow next week.
LEAST_DIGITS = 4


class Columns(NamedTuple):
    """A definition as the columns hold it; JSON values, None where NULL."""

    name: str
    trigger_type: str
    trigger_config: Any
    conditions: Any
    actions: Any


class WorkflowRow(NamedTuple):
    """A workflow, and what the fleet keeps beside it."""

    id: UUID
    user_id: UUID
    name: str
    trigger_type: str
    trigger_config: Any
    conditions: Any
    actions: Any
    status: str
    last_run_at: datetime | None
    next_run_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int
    checked: bool
    problem: str | None
    failures: int
    hook_number: int
    account: str

    @property
    def columns(self) -> Columns:
        """Its definition."""
        return Columns(
            self.name, self.trigger_type, self.trigger_config, self.conditions, self.actions
        )


_SELECT = """
    SELECT w.id, w.user_id, w.name, w.trigger_type, w.trigger_config, w.conditions, w.actions,
        w.status, w.last_run_at, w.next_run_at, w.created_at, w.updated_at, s.version, s.checked,
        s.problem, s.failures, s.hook_number, u.status AS account
    FROM workflows w JOIN workflow_states s ON s.workflow_id = w.id JOIN users u ON u.id = w.user_id
"""


def _rows(tx: Tx, rest: str, values: dict[str, Any]) -> list[WorkflowRow]:
    with tx.cursor(row_factory=class_row(WorkflowRow)) as cursor:
        return cursor.execute(_SELECT + rest, values).fetchall()


def now(tx: Tx) -> datetime:
    """The database's clock."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def add(
    tx: Tx, user_id: UUID, columns: Columns, status: str, next_run_at: datetime | None
) -> WorkflowRow:
    """A new workflow; the caller has read the definition and computed the time."""
    row = tx.execute(
        "INSERT INTO workflows (user_id, name, trigger_type, trigger_config, conditions, actions,"
        " status, next_run_at) VALUES (%s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb, %s, %s)"
        " RETURNING id",
        (
            user_id, columns.name, columns.trigger_type, _json(columns.trigger_config),
            _json(columns.conditions), _json(columns.actions), status, next_run_at,
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    found = find(tx, row[0])
    assert found is not None
    return found


def find(tx: Tx, workflow_id: UUID) -> WorkflowRow | None:
    """One workflow."""
    found = _rows(tx, "WHERE w.id = %(id)s", {"id": workflow_id})
    return found[0] if found else None


def lock(tx: Tx, workflow_id: UUID) -> None:
    """Keep a workflow as it is until the transaction ends: a scheduler may be about to fire it."""
    tx.execute("SELECT 1 FROM workflows WHERE id = %s FOR NO KEY UPDATE", (workflow_id,))


def named(tx: Tx, digits: str, name: str, limit: int) -> list[WorkflowRow]:
    """Workflows of a name, or whose id begins with these digits (none when empty)."""
    first = digits.ljust(32, "0") if digits else None
    last = digits.ljust(32, "f") if digits else None
    return _rows(
        tx,
        "WHERE w.name = %(name)s OR w.id BETWEEN %(first)s::uuid AND %(last)s::uuid"
        " ORDER BY w.created_at DESC, w.id DESC LIMIT %(limit)s",
        {"name": name, "first": first, "last": last, "limit": limit},
    )


def page(
    tx: Tx,
    limit: int,
    after: Place | None = None,
    *,
    user_id: UUID | None = None,
    status: str | None = None,
) -> list[WorkflowRow]:
    """Workflows, newest first, of one user or of all, in one status or in any."""
    return _rows(
        tx,
        "WHERE (%(user)s::uuid IS NULL OR w.user_id = %(user)s)"
        " AND (%(status)s::text IS NULL OR w.status = %(status)s)"
        " AND (%(at)s::timestamptz IS NULL OR (w.created_at, w.id) < (%(at)s, %(id)s::uuid))"
        " ORDER BY w.created_at DESC, w.id DESC LIMIT %(limit)s",
        {
            "user": user_id,
            "status": status,
            "at": after and after.created_at,
            "id": after and after.id,
            "limit": limit,
        },
    )


_COLUMNS = ("name", "trigger_type", "trigger_config", "conditions", "actions", "status")
_JSON = ("trigger_config", "conditions", "actions")


def change(tx: Tx, workflow_id: UUID, fields: dict[str, Any], **planned: Any) -> None:
    """Set the named columns; `next_run_at` as well, when it is given.

    Triggers number a changed definition's version.
    """
    given = {name: fields[name] for name in _COLUMNS if name in fields}
    if "next_run_at" in planned:
        given["next_run_at"] = planned["next_run_at"]
    pairs = [
        sql.SQL("{} = %s::jsonb" if name in _JSON else "{} = %s").format(sql.Identifier(name))
        for name in given
    ]
    values = [_json(value) if name in _JSON else value for name, value in given.items()]
    tx.execute(
        sql.SQL("UPDATE workflows SET {} WHERE id = %s").format(sql.SQL(", ").join(pairs)),
        (*values, workflow_id),
    )


def rotate_hook(tx: Tx, workflow_id: UUID) -> None:
    """Another key for its hook; the one before ends with the commit."""
    tx.execute(
        "UPDATE workflow_states SET hook_number = hook_number + 1 WHERE workflow_id = %s",
        (workflow_id,),
    )
