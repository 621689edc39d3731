"""E-mail addresses: one recipient each, and a digest that tells whether two are the same."""

import hashlib
import hmac
import re

import idna

from base.errors import Refused
from schemas.fields import DELIVERABLE

MOST_CHARACTERS = 254  # RFC 5321: a path has 256 with its brackets

_EMAIL = re.compile(DELIVERABLE)


def address(typed: str) -> str:
    """The address as mail servers take it; raises `Refused` for what is none, or more than one."""
    local, at, domain = typed.strip(" ").rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            domain = ""
    found = f"{local}{at}{domain.lower()}"
    if len(found) > MOST_CHARACTERS or ".." in found or not _EMAIL.fullmatch(found):
        raise Refused("This is no e-mail address: it looks like ada@example.com.")
    return found


def digest(secret: bytes, address: str) -> bytes:
    """What is kept of an address once it is not needed: keyed, so that nobody can try them all."""
    key = hashlib.sha256(b"hopfleet buyer\0" + secret).digest()
    return hmac.digest(key, address.lower().encode(), "sha256")


def is_same(secrets: tuple[bytes, ...], kept: bytes, address: str) -> bool:
    """Whether `kept` is the digest of this address, under any of the secrets there were."""
    return any(hmac.compare_digest(kept, digest(secret, address)) for secret in secrets)
