"""What steps of a workflow do in the database; each in the transaction of its step's row."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from db import ids
from db.connection import Tx


def depth(tx: Tx, number: int) -> None:
    """Say, until the transaction ends, how deep in a chain of workflows what follows is."""
    tx.execute("SELECT set_config('hopfleet.depth', %s, true)", (str(number),))


def set_campaign_status(tx: Tx, user_id: UUID, campaign: str, status: str) -> str | None:
    """Set the status of a user's campaign, by id or tracking id; the status before, or None."""
    row = tx.execute(
        "UPDATE campaigns c SET status = %s FROM campaigns before"
        " WHERE c.id = before.id AND c.user_id = %s"
        " AND (c.tracking_id = %s OR c.id = %s) RETURNING before.status",
        (status, user_id, campaign, ids.one(campaign)),
    ).fetchone()
    return str(row[0]) if row else None


class NewContent(NamedTuple):
    """Content to be made."""

    user_id: UUID
    campaign_id: UUID | None
    type: str
    title: str | None
    body: str
    metadata: Any
    status: str


def create_content(tx: Tx, new: NewContent) -> UUID:
    """Write content; returns its id."""
    row = tx.execute(
        "INSERT INTO content (user_id, campaign_id, type, title, body, metadata, status,"
        " published_at) VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s,"
        " CASE WHEN %s = 'published' THEN now() END) RETURNING id",
        (
            new.user_id, new.campaign_id, new.type, new.title, new.body,
            None if new.metadata is None else orjson.dumps(new.metadata).decode(),
            new.status, new.status,
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    found: UUID = row[0]
    return found


def publish_content(tx: Tx, user_id: UUID, content: str) -> bool | None:
    """Publish a user's content; False when it is published already, None when there is none."""
    row = tx.execute(
        "SELECT status FROM content WHERE user_id = %s AND id = %s FOR NO KEY UPDATE",
        (user_id, ids.one(content)),
    ).fetchone()
    if row is None:
        return None
    done = tx.execute(
        "UPDATE content SET status = 'published', published_at = coalesce(published_at, now())"
        " WHERE id = %s::uuid AND status <> 'published'",
        (content,),
    )
    return done.rowcount == 1


def schedule_content(tx: Tx, user_id: UUID, content: str, at: datetime) -> bool:
    """Have a user's content published at a time; False when there is none that is unpublished."""
    done = tx.execute(
        "UPDATE content SET status = 'scheduled', scheduled_for = %s"
        " WHERE user_id = %s AND id = %s AND status <> 'published'",
        (at, user_id, ids.one(content)),
    )
    return done.rowcount == 1


def note(
    tx: Tx, user_id: UUID, workflow_id: UUID, run_id: int, campaign: UUID | None, text: str
) -> int:
    """Write a note down; returns its number."""
    row = tx.execute(
        "INSERT INTO workflow_notes (user_id, workflow_id, run_id, campaign_id, text)"
        " VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (user_id, workflow_id, run_id, campaign, text),
    ).fetchone()
    assert row is not None
    return int(row[0])


class Other(NamedTuple):
    """A workflow that another one starts."""

    id: UUID
    version: int
    status: str


def workflow(tx: Tx, user_id: UUID, which: str) -> Other | None:
    """A user's workflow by id or name; the oldest of that name."""
    row = tx.execute(
        "SELECT w.id, s.version, w.status FROM workflows w"
        " JOIN workflow_states s ON s.workflow_id = w.id"
        " WHERE w.user_id = %s AND (w.name = %s OR w.id = %s)"
        " ORDER BY w.id = %s DESC NULLS LAST, w.created_at LIMIT 1",
        (user_id, which, ids.one(which), ids.one(which)),
    ).fetchone()
    return Other(*row) if row else None
