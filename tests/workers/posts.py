"""Posts as other applications write them, and what became of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from base.clock import now
from db.connection import Tx
from tests import make

HOUR = timedelta(hours=1)


def post(session: Tx, user_id: UUID | None = None, **columns: Any) -> UUID:
    """A post that is due for an hour; its id."""
    usual = {"status": "scheduled", "scheduled_for": now() - HOUR}
    owner = user_id or make.user(session)["id"]
    id_: UUID = make.content(session, owner, **usual | columns)["id"]
    return id_


def status(session: Tx, *ids: UUID) -> list[str]:
    found = {row[0]: row[1] for row in session.execute("SELECT id, status FROM content")}
    return [found[key] for key in ids]


def hurry(session: Tx) -> None:
    """What waits for another try waits no longer."""
    session.execute("UPDATE publications SET next_attempt_at = now() WHERE NOT held")
