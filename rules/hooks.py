"""Keys of hooks: they say which workflow is meant, and are signed, so that no table is needed.

A key is the workflow's id, the hook's number and a signature, between dashes. Another number
makes another key, and ends the one before.
"""

import base64
import hmac
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SIGNATURE_BYTES = 16
_MOST_CHARACTERS = 32 + 1 + 10 + 1 + 22
_MOST_NUMBER = 2**31 - 1  # its column's


class Hook(NamedTuple):
    """What a key names; the number is the workflow's own until its key is changed."""

    workflow_id: UUID
    number: int


def key_of(workflow_id: UUID, number: int, secret: bytes) -> str:
    """The key that stands in the hook's address."""
    told = f"{workflow_id.hex}-{number}"
    signature = base64.urlsafe_b64encode(_sign(secret, told)).decode().rstrip("=")
    return f"{told}-{signature}"


def url(public_url: str, workflow_id: UUID, number: int, secret: bytes) -> str:
    """The whole address; `public_url` is that of the doors, without a slash at its end."""
    return f"{public_url}/hooks/{key_of(workflow_id, number, secret)}"


def read(secrets: tuple[bytes, ...], key: str) -> Hook | None:
    """What a key of ours names; None for anybody else's.

    `secrets` are all there were, so that keys outlive a change of the secret.
    """
    if len(key) > _MOST_CHARACTERS or not key.isascii():
        return None
    ident, _, rest = key.partition("-")
    number = rest.partition("-")[0]
    if not _is_plain(ident, number):
        return None
    hook = Hook(UUID(ident), int(number))
    if not any(hmac.compare_digest(key_of(*hook, secret), key) for secret in secrets):
        return None
    return hook


def _is_plain(ident: str, number: str) -> bool:
    """Whether it is written as we write it: `int` and `UUID` would take more."""
    return (
        len(ident) == 32
        and not ident.strip("0123456789abcdef")
        and 0 < len(number) <= 10
        and number.isdigit()
        and int(number) <= _MOST_NUMBER
    )


@lru_cache(8)
def _key(secret: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"hopfleet hooks").derive(secret)


def _sign(secret: bytes, told: str) -> bytes:
    return hmac.digest(_key(secret), told.encode(), "sha256")[:_SIGNATURE_BYTES]
