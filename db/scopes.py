"""Scopes: what the conditions and templates of many runs are about, read at once."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row

from db import ids
from db.connection import Tx


class Definition(NamedTuple):
    """A version of a workflow; JSON columns as text."""

    name: str
    trigger_type: str
    config: str | None
    conditions: str | None
    actions: str


def definitions(tx: Tx, wanted: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], Definition]:
    """Versions of workflows, by workflow and number; what was deleted is missing."""
    keys = list(wanted)
    rows = tx.execute(
        "SELECT v.workflow_id, v.version, v.name, v.trigger_type, v.trigger_config::text,"
        " v.conditions::text, v.actions::text FROM workflow_versions v"
        " JOIN unnest(%s::uuid[], %s::int[]) AS k (id, version)"
        " ON v.workflow_id = k.id AND v.version = k.version",
        ([key[0] for key in keys], [key[1] for key in keys]),
    )
    return {(row[0], row[1]): Definition(*row[2:]) for row in rows}


def users(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Users as conditions see them."""
    return _found(
        tx,
        "SELECT id, email, full_name, tier, status, trial_ends_at, created_at FROM users"
        " WHERE id = ANY(%s)",
        ids,
    )


def campaigns(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Campaigns as conditions see them."""
    return _found(
        tx,
        "SELECT id, user_id, product_id, name, status, tracking_id, affiliate_link, created_at"
        " FROM campaigns WHERE id = ANY(%s)",
        ids,
    )


def _found(tx: Tx, statement: str, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    wanted = list(ids)
    if not wanted:
        return {}
    with tx.cursor(row_factory=dict_row) as cursor:
        return {row["id"]: row for row in cursor.execute(statement, (wanted,))}


def campaigns_of(tx: Tx, user_id: UUID, limit: int) -> list[UUID]:
    """A user's campaigns that are no drafts, the oldest first."""
    rows = tx.execute(
        "SELECT id FROM campaigns WHERE user_id = %s AND status <> 'draft'"
        " ORDER BY created_at, id LIMIT %s",
        (user_id, limit),
    )
    return [row[0] for row in rows]


def campaign_named(tx: Tx, user_id: UUID, which: str) -> UUID | None:
    """A user's campaign by id or tracking id."""
    row = tx.execute(
        "SELECT id FROM campaigns WHERE user_id = %s AND (tracking_id = %s OR id = %s)",
        (user_id, which, ids.one(which)),
    ).fetchone()
    return row[0] if row else None
