"""One message is one click is one insert and one commit."""

from datetime import datetime
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from sqlalchemy import insert

from base.settings import settings
from ops.bench.usual.tables import engine, events

dramatiq.set_broker(RedisBroker(url=settings().redis, namespace="usual"))  # type: ignore[no-untyped-call]


@dramatiq.actor
def record(event: dict[str, Any]) -> None:
    """Insert one event; `created_at` travels as ISO 8601."""
    row = event | {"created_at": datetime.fromisoformat(event["created_at"])}
    with engine().begin() as connection:
        connection.execute(insert(events).values(row))
