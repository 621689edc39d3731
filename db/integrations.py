"""Integrations: the networks that report to a user, each by a key in its address."""

import base64
import hashlib
import secrets
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg.rows import class_row
from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.paging import Place
from db.table import At, Base, CreatedAt, Id, Json, Str50, Str255

_CHECKSUM_LENGTH = 8
_RANDOM_BYTES = 20  # 32 characters of base32


class Integration(Base):
    """Where a network's reports come in, and whose they are.

    `sealed` holds the secrets as JSON (`base/sealing.py`): `key`, the one in the address, and
    whatever the network signs or encrypts with. `settings` has the shape of
    `schemas/integrations.py`.
    """

    __tablename__ = "integrations"
    __table_args__ = (
        Index("idx_integrations_user_id", "user_id"),
        Index(
            "idx_integrations_campaign_id",
            "campaign_id",
            postgresql_where=text("campaign_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    network: Mapped[Str50]
    name: Mapped[Str255]
    key_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    settings: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    disabled_at: Mapped[At | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class IntegrationRow(NamedTuple):
    """What a door or a worker needs to know; `digest` and `sealed` in hex."""

    digest: str
    id: str
    user_id: str
    campaign_id: str | None
    network: str
    sealed: str
    settings: dict[str, Any]
    user_status: str


class ListedIntegration(NamedTuple):
    """What people are shown of an integration."""

    id: UUID
    user_id: UUID
    campaign_id: UUID | None
    network: str
    name: str
    settings: Any
    sealed: bytes
    disabled_at: datetime | None
    created_at: datetime


def mint() -> str:
    """A new key for an address: 160 random bits, and a checksum against made-up ones."""
    body = base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().lower()
    return body + _checksum(body)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):0{_CHECKSUM_LENGTH}x}"


def well_formed(key: str) -> bool:
    """Whether the text can be a key at all; the others need no look into the database."""
    body, checksum = key[:-_CHECKSUM_LENGTH], key[-_CHECKSUM_LENGTH:]
    return key.isascii() and len(body) == 32 and _checksum(body) == checksum


def digest_of(key: str) -> bytes:
    """What a key is looked up by."""
    return hashlib.sha256(key.encode()).digest()


def add(
    tx: Tx,
    user_id: UUID | str,
    network: str,
    name: str,
    key: str,
    sealed: bytes,
    settings: dict[str, Any],
    campaign_id: UUID | str | None = None,
) -> UUID:
    """A new integration's id; `sealed` holds the key and the other secrets."""
    row = tx.execute(
        "INSERT INTO integrations (user_id, campaign_id, network, name, key_digest, sealed,"
        " settings) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (
            user_id, campaign_id, network, name, digest_of(key), sealed,
            orjson.dumps(settings).decode(),
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    found: UUID = row[0]
    return found


_FIND = (
    "SELECT encode(i.key_digest, 'hex'), i.id::text, i.user_id::text, i.campaign_id::text,"
    " i.network, encode(i.sealed, 'hex'), i.settings, u.status"
    " FROM integrations i JOIN users u ON u.id = i.user_id"
    " WHERE {} AND i.disabled_at IS NULL"
    " AND NOT EXISTS (SELECT FROM purges p WHERE p.state <> 'done'"
    "  AND (p.noun, p.key) IN (('user', i.user_id), ('campaign', i.campaign_id)))"
)


def find(tx: Tx, digests: Iterable[bytes]) -> list[IntegrationRow]:
    """Integrations with these keys' digests, neither disabled nor being deleted."""
    rows = tx.execute(_FIND.format("i.key_digest = ANY(%s::bytea[])"), (list(digests),))
    return [IntegrationRow(*row) for row in rows]


def by_id(tx: Tx, ids: Iterable[str]) -> dict[str, IntegrationRow]:
    """The same by id, for workers: what was disabled meanwhile is still told."""
    statement = _FIND.replace(" AND i.disabled_at IS NULL", "")
    rows = tx.execute(statement.format("i.id = ANY(%s::uuid[])"), (list(ids),))
    return {row[1]: IntegrationRow(*row) for row in rows}


def of_network(tx: Tx, network: str) -> list[IntegrationRow]:
    """All of one network that are neither disabled nor being deleted."""
    rows = tx.execute(_FIND.format("i.network = %s") + " ORDER BY i.id", (network,))
    return [IntegrationRow(*row) for row in rows]


def page(
    tx: Tx, user_id: UUID | str | None, limit: int, after: Place | None = None
) -> list[ListedIntegration]:
    """Integrations of one user or of all, newest first; pages as in `users.page`."""
    with tx.cursor(row_factory=class_row(ListedIntegration)) as cursor:
        return cursor.execute(
            f"SELECT {', '.join(ListedIntegration._fields)} FROM integrations"
            " WHERE (%(user)s::uuid IS NULL OR user_id = %(user)s)"
            " AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid))"
            " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
            {
                "user": user_id,
                "at": after and after.created_at,
                "id": after and after.id,
                "limit": limit,
            },
        ).fetchall()


def show(tx: Tx, integration_id: UUID | str) -> ListedIntegration | None:
    """One of them, disabled or not."""
    with tx.cursor(row_factory=class_row(ListedIntegration)) as cursor:
        return cursor.execute(
            f"SELECT {', '.join(ListedIntegration._fields)} FROM integrations WHERE id = %s",
            (integration_id,),
        ).fetchone()


def by_key(tx: Tx, key: str) -> ListedIntegration | None:
    """The one with this key in its address, disabled or not."""
    row = tx.execute(
        "SELECT id FROM integrations WHERE key_digest = %s", (digest_of(key),)
    ).fetchone()
    return None if row is None else show(tx, row[0])


def set_settings(tx: Tx, integration_id: UUID | str, settings: dict[str, Any]) -> None:
    """Other settings from now on, at every door within two seconds."""
    tx.execute(
        "UPDATE integrations SET settings = %s, updated_at = now() WHERE id = %s",
        (orjson.dumps(settings).decode(), integration_id),
    )


def rotate(tx: Tx, integration_id: UUID | str, key: str, sealed: bytes) -> bool:
    """Another key and other secrets from now on; False when there is no such integration."""
    done = tx.execute(
        "UPDATE integrations SET key_digest = %s, sealed = %s, updated_at = now() WHERE id = %s",
        (digest_of(key), sealed, integration_id),
    )
    return done.rowcount == 1


def disable(tx: Tx, integration_id: UUID | str, disabled: bool = True) -> bool:
    """Take no more of its reports, or again; False when that was so before, or it is unknown."""
    done = tx.execute(
        "UPDATE integrations SET disabled_at = CASE WHEN %(off)s THEN now() END,"
        " updated_at = now() WHERE id = %(id)s AND (disabled_at IS NULL) = %(off)s",
        {"off": disabled, "id": integration_id},
    )
    return done.rowcount == 1
