"""Secrets at rest: sealed with AES-256-GCM under a key made from `SECRET_KEY`, opened again.

A sealed text is the key's id (4 bytes), a nonce (12 bytes), and the ciphertext with its tag. The
key's id lets a rotated `SECRET_KEY` open what the one before has sealed, while that one is still
named in `SECRET_KEYS_BEFORE`.
"""

import hashlib
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from base.errors import Permanent
from base.settings import Settings

_ID_BYTES = 4
_NONCE_BYTES = 12


class Unsealable(Permanent):
    """No key we have opens a sealed secret."""


@lru_cache(8)
def _key(secret: bytes) -> tuple[bytes, AESGCM]:
    derived = HKDF(SHA256(), 32, salt=None, info=b"hopfleet sealing").derive(secret)
    return hashlib.sha256(derived).digest()[:_ID_BYTES], AESGCM(derived)


def seal(plain: bytes, chosen: Settings) -> bytes:
    """`plain` as only this installation can read it; never twice the same."""
    key_id, cipher = _key(chosen.secret)
    nonce = os.urandom(_NONCE_BYTES)
    return key_id + nonce + cipher.encrypt(nonce, plain, key_id)


def unseal(sealed: bytes, chosen: Settings) -> bytes:
    """What was sealed; raises `Unsealable` when its key is not known, or it was changed."""
    for secret in (chosen.secret, *chosen.secrets_before):
        key_id, cipher = _key(secret)
        if sealed[:_ID_BYTES] == key_id:
            try:
                nonce = sealed[_ID_BYTES : _ID_BYTES + _NONCE_BYTES]
                return cipher.decrypt(nonce, sealed[_ID_BYTES + _NONCE_BYTES :], key_id)
            except InvalidTag as error:
                raise Unsealable("A sealed secret was changed where it is kept.") from error
    raise Unsealable(
        "A secret was sealed with another HOPFLEET_SECRET_KEY: put that one back, or name it in"
        " HOPFLEET_SECRET_KEYS_BEFORE."
    )
