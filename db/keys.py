"""API keys: made once, shown once, stored as their SHA-256."""

import hashlib
import secrets
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.connection import Tx
from db.paging import Place
from db.table import At, Base, CreatedAt, Id, Str16, Str255

_MARK = "hf_"  # so that scanners for leaked secrets can tell what it is
_SHOWN = len(_MARK) + 6
_CHECKSUM_LENGTH = 8


class ApiKey(Base):
    """A key of a user; whoever reads this table still cannot use one."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("idx_api_keys_user_id", "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[Str255]
    prefix: Mapped[Str16]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{events:write}'::text[]")
    )
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[At | None]
    revoked_at: Mapped[At | None]


class KeyRow(NamedTuple):
    """What a door needs to know about a key; `digest` in hex."""

    digest: str
    user_id: str
    scopes: list[str]
    user_status: str


class ListedKey(NamedTuple):
    """What people are shown of a key."""

    id: UUID
    user_id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def mint() -> str:
    """A new key: a mark, 256 random bits, and a checksum against typing errors."""
    body = _MARK + secrets.token_urlsafe(32)
    return body + _checksum(body)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):0{_CHECKSUM_LENGTH}x}"


def well_formed(plaintext: str) -> bool:
    """Whether the text can be a key at all; the others need no look into the database."""
    body, checksum = plaintext[:-_CHECKSUM_LENGTH], plaintext[-_CHECKSUM_LENGTH:]
    return plaintext.isascii() and body.startswith(_MARK) and _checksum(body) == checksum


def digest_of(plaintext: str) -> bytes:
    """What is stored of a key: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(plaintext.encode()).digest()


def add(
    tx: Tx, user_id: UUID | str, name: str, scopes: Sequence[str] = ("events:write",)
) -> tuple[UUID, str]:
    """A new key's id, and its text, which is not kept anywhere."""
    plaintext = mint()
    row = tx.execute(
        "INSERT INTO api_keys (user_id, name, prefix, digest, scopes)"
        " VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (user_id, name, plaintext[:_SHOWN], digest_of(plaintext), list(scopes)),
    ).fetchone()
    assert row is not None
    return row[0], plaintext


def find(tx: Tx, digests: Iterable[bytes]) -> list[KeyRow]:
    """Keys with these digests that are valid: not revoked, their user not being deleted."""
    rows = tx.execute(
        "SELECT encode(k.digest, 'hex'), k.user_id::text, k.scopes, u.status"
        " FROM api_keys k JOIN users u ON u.id = k.user_id"
        " WHERE k.digest = ANY(%s::bytea[]) AND k.revoked_at IS NULL"
        " AND NOT EXISTS (SELECT FROM purges p"
        "  WHERE p.noun = 'user' AND p.key = k.user_id AND p.state <> 'done')",
        (list(digests),),
    )
    return [KeyRow(*row) for row in rows]


def list_(
    tx: Tx,
    user_id: UUID | str | None = None,
    *,
    limit: int | None = None,
    after: Place | None = None,
) -> list[ListedKey]:
    """Keys of one user or of all, newest first, revoked ones too; pages as in `users.page`."""
    with tx.cursor(row_factory=class_row(ListedKey)) as cursor:
        return cursor.execute(
            f"SELECT {', '.join(ListedKey._fields)} FROM api_keys"
            " WHERE (%(user)s::uuid IS NULL OR user_id = %(user)s)"
            " AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid))"
            " ORDER BY created_at DESC, id DESC LIMIT %(limit)s::bigint",
            {
                "user": user_id,
                "at": after and after.created_at,
                "id": after and after.id,
                "limit": limit,
            },
        ).fetchall()


def revoke(tx: Tx, key_id: UUID | str) -> bool:
    """Refuse the key from now on; False when there is no such key, or it was revoked before."""
    done = tx.execute(
        "UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", (key_id,)
    )
    return done.rowcount == 1


def touch(tx: Tx, digests: Iterable[bytes]) -> int:
    """Note that these keys were used; returns how many rows that changed.

    To the minute: a busy key is not written at every request.
    """
    done = tx.execute(
        "UPDATE api_keys SET last_used_at = now() WHERE digest = ANY(%s::bytea[])"
        " AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
        (list(digests),),
    )
    return done.rowcount
