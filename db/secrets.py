"""Secrets: what a user's templates may name and nobody may read, sealed."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from base.sealing import Unsealable, seal, unseal
from base.settings import settings
from db.connection import Tx


class SecretName(NamedTuple):
    """A secret as it is listed; not `readable` when it was sealed with a key we do not have."""

    name: str
    updated_at: datetime
    readable: bool


def put(tx: Tx, user_id: UUID | str, name: str, value: str) -> bool:
    """Keep a user's secret under a name; False when it took another one's place."""
    row = tx.execute(
        "INSERT INTO workflow_secrets (user_id, name, sealed) VALUES (%s, %s, %s)"
        " ON CONFLICT (user_id, name) DO UPDATE SET sealed = EXCLUDED.sealed, updated_at = now()"
        " RETURNING xmax = 0",
        (user_id, name, seal(value.encode(), settings())),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def names(tx: Tx, user_id: UUID | str) -> list[SecretName]:
    """A user's secrets by name, without their values."""
    return [
        SecretName(name, updated_at, _open(sealed) is not None)
        for name, updated_at, sealed in tx.execute(
            "SELECT name, updated_at, sealed FROM workflow_secrets WHERE user_id = %s"
            " ORDER BY name",
            (user_id,),
        )
    ]


def delete(tx: Tx, user_id: UUID | str, name: str) -> bool:
    """Forget a secret; False when there is none of that name."""
    done = tx.execute(
        "DELETE FROM workflow_secrets WHERE user_id = %s AND name = %s", (user_id, name)
    )
    return done.rowcount == 1


def opened(tx: Tx, user_id: UUID | str) -> dict[str, str]:
    """A user's secrets by name, opened; one that no key of ours opens is missing.

    It would otherwise stop every workflow of its owner, also those that name another.
    """
    rows = tx.execute("SELECT name, sealed FROM workflow_secrets WHERE user_id = %s", (user_id,))
    found = ((name, _open(sealed)) for name, sealed in rows)
    return {name: value for name, value in found if value is not None}


def _open(sealed: bytes) -> str | None:
    try:
        return unseal(bytes(sealed), settings()).decode()
    except Unsealable:
        return None
