"""Samples: what happened lately, to try a workflow on; nothing is written."""

from datetime import UTC
from typing import Any, NamedTuple
from uuid import UUID

from db.connection import Tx
from schemas.workflow_events import HANDED_ON

_TOLD = """
    SELECT data, campaign_id FROM workflow_events
    WHERE user_id = %(user)s AND kind = %(kind)s AND state = 'done'
        AND (workflow_id IS NULL OR workflow_id = %(workflow)s)
    ORDER BY id DESC LIMIT %(limit)s
"""
# Where nobody listened so far, and of clicks, which are not kept twice.
_STORED = """
    SELECT created_at, campaign_id, source, revenue, metadata FROM analytics_events
    WHERE user_id = %(user)s AND event_type = %(kind)s AND created_at > now() - interval '7 days'
        AND NOT coalesce(metadata, '{}') ?| ARRAY['bot', 'duplicate_of']
    ORDER BY created_at DESC LIMIT %(limit)s
"""
_STORED_KINDS = frozenset({"click", "conversion", "refund", "rebill"})
_ALIKE = ("click_id", "amount", "currency", "receipt", "order_id", "role", "reason", "trust")


class Sample(NamedTuple):
    """An event as workflows are told of it."""

    data: dict[str, Any]
    campaign_id: UUID | None


def latest(tx: Tx, user_id: UUID, kind: str, workflow_id: UUID | None, limit: int) -> list[Sample]:
    """A user's latest events of a kind, the newest first; of hooks only those of the workflow."""
    about = {"user": user_id, "kind": kind, "workflow": workflow_id, "limit": limit}
    found = [Sample(*row) for row in tx.execute(_TOLD, about)]
    if found or kind not in _STORED_KINDS:
        return found
    return [_stored(kind, *row) for row in tx.execute(_STORED, about)]


def _stored(
    kind: str, at: Any, campaign_id: UUID | None, source: str | None, revenue: Any, metadata: Any
) -> Sample:
    meta = metadata if isinstance(metadata, dict) else {}
    data = {
        "type": kind,
        "id": meta.get("click_id"),
        "campaign_id": campaign_id and str(campaign_id),
        "source": source,
        "revenue": None if revenue is None else str(revenue),
        "occurred_at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    told = {name: meta[name] for name in (*_ALIKE, *HANDED_ON) if name in meta}
    return Sample({**data, **told}, campaign_id)
