"""Disputes and suspected frauds: they hold an account, whatever its billing says."""

from uuid import UUID

from db import billing, holds
from db.connection import Tx
from rules.billing import holds_back
from schemas.stripe import Event, id_of, text_of
from workers.billing import alarm


def is_about_one(event: Event) -> bool:
    """Whether a message tells of a dispute or of a suspected fraud."""
    return event.type.startswith(("charge.dispute.", "radar.early_fraud_warning."))


def note(tx: Tx, user_id: UUID, event: Event) -> None:
    """Put a hold on the user or lift it; the account follows by itself."""
    ref, account = id_of(event.object.get("id")), billing.account(tx, user_id)
    if ref is None or account is None:
        return
    if event.type.startswith("radar."):
        kind, held = "fraud", event.object.get("actionable") is not False
    else:
        status = text_of(event.object, "status") or ""
        kind, found = "dispute", holds_back(status)
        if found is None:
            alarm("unknown_dispute", dispute=ref, status=status[:50])
            return
        held = found
    holds.put(tx, user_id, kind, ref, event.created, event.id, holds=held, status=account[0].status)
