"""A network that reports to a door: its integration, and how it asks."""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson

from base.sealing import seal
from db import integrations
from db.connection import Tx
from tests.ingest.door import Door
from tests.ingest.talking import Answer


class Network:
    """One integration of a user; reports go to the door it was made with."""

    def __init__(
        self, door: Door, tx: Tx, user_id: UUID, network: str = "generic",
        campaign_id: UUID | None = None, secrets: dict[str, str] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.door = door
        self.user_id = str(user_id)
        self.key = integrations.mint()
        sealed = seal(orjson.dumps({"key": self.key, **(secrets or {})}), door.settings)
        self.id = str(
            integrations.add(tx, user_id, network, network, self.key, sealed, settings, campaign_id)
        )

    def is_forgotten(self, key: str) -> bool:
        """Whether the door no longer holds what it knew of a key."""
        return integrations.digest_of(key).hex() not in self.door.base.integrations.entries

    def target(self, query: str = "") -> str:
        """The address, with this query."""
        return f"/postback/{self.key}" + (f"?{query}" if query else "")

    def get(self, _headers: dict[str, str] | None = None, /, **told: str) -> Answer:
        """Report by GET."""
        return self.door.ask("GET", self.target(urlencode(told)), _headers)


def signed(query: str, secret: str, body: bytes = b"", algorithm: str = "sha256") -> str:
    """The signature of a query and a body, worked out apart from the door."""
    message = b"\n".join(part for part in (query.encode(), body) if part)
    return hmac.new(secret.encode(), message, getattr(hashlib, algorithm)).hexdigest()
