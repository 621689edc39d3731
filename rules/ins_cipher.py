"""How a ClickBank notification is opened: the cipher of versions 6 to 8, the checksum of 1 to 5.

AES-256 in CBC mode, its key the first 32 hex digits of the secret's SHA-1, as ASCII. Nothing
proves that a text is whole, so a wrong padding must look like a wrong text to whoever sent it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from base.errors import Permanent

_BLOCK = 16
_MOST_FIELDS = 200
_CHECKSUM = "cverify"
_SPACES = str.maketrans({"\r": None, "\n": None, "\t": None, " ": "+"})
# Version 1 hashes its fields in this order, whatever else is there.
_FIRST_ORDER = (
    "ccustname", "ccustemail", "ccustcc", "ccuststate", "ctransreceipt", "cproditem",
    "ctransaction", "ctransaffiliate", "ctranspublisher", "cprodtype", "cprodtitle",
    "ctranspaymentmethod", "ctransamount", "caffitid", "cvendthru",
)  # fmt: skip


class Undecryptable(Permanent):
    """The integration's secret does not open it."""


class Sealed(NamedTuple):
    """The two strings of an encrypted notification, in base64 as they came."""

    notification: str
    iv: str


Form = dict[str, str]  # the fields of a post of versions 1 to 5


def wire(body: bytes) -> Sealed | Form | None:
    """What a body carries: JSON whatever its header says, else a form; None for neither."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _form(body)
    if not isinstance(told, dict):
        return None
    return _sealed(told.get("notification"), told.get("iv"))


def _sealed(notification: object, iv: object) -> Sealed | None:
    if isinstance(notification, str) and isinstance(iv, str) and notification and iv:
        return Sealed(notification, iv)
    return None


def _form(body: bytes) -> Sealed | Form | None:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError:
        return None
    fields = dict(pairs)
    if "notification" in fields:
        return _sealed(fields["notification"], fields.get("iv"))
    return fields if _CHECKSUM in fields and "ctransreceipt" in fields else None


@lru_cache(4096)
def _cipher_key(secret: str) -> bytes:
    digest = hashlib.sha1(secret.encode()).hexdigest()  # noqa: S324 - the network's way
    return digest[:32].encode()


def decrypt(sealed: Sealed, secret: str) -> bytes:
    """The plain text, without its padding; raises `Undecryptable`.

    Beside the padding of the standard, some senders fill up with zero bytes or blanks. What
    comes out of a wrong secret usually has no padding at all, and is told apart by its first
    and last letter.
    """
    iv, hidden = _decoded(sealed.iv), _decoded(sealed.notification)
    if len(iv) != _BLOCK or not hidden or len(hidden) % _BLOCK:
        raise Undecryptable("Its parts have not the lengths that they must have.")
    opened = Cipher(algorithms.AES(_cipher_key(secret)), modes.CBC(iv)).decryptor()
    plain = _unpadded(opened.update(hidden) + opened.finalize())
    if plain[:1] != b"{" or plain[-1:] != b"}":
        raise Undecryptable("The secret key of the integration does not open it.")
    return plain


def _decoded(text: str) -> bytes:
    """Standard base64; line breaks do not count, and a form has turned `+` into a blank."""
    try:
        return base64.b64decode(text.strip().translate(_SPACES), validate=True)
    except (binascii.Error, ValueError):
        raise Undecryptable("It is not in base64.") from None


def _unpadded(plain: bytes) -> bytes:
    count = plain[-1]
    if 1 <= count <= _BLOCK and plain.endswith(bytes((count,)) * count):
        plain = plain[:-count]
    return plain.strip(b"\0 \t\r\n")


def verify(fields: Mapping[str, str], secret: str) -> None:
    """Raises `Undecryptable` unless the checksum of a post of versions 1 to 5 is right."""
    told = fields[_CHECKSUM].upper().encode("ascii", "replace")
    names = sorted(name for name in fields if name != _CHECKSUM)
    orders = [names] if "ctransamount" not in fields else [list(_FIRST_ORDER), names]
    for order in orders:
        text = "|".join([*(fields.get(name, "") for name in order), secret])
        digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"))  # noqa: S324
        if hmac.compare_digest(digest.hexdigest()[:8].upper().encode(), told):
            return
    raise Undecryptable("Its checksum is not the one of the integration's secret key.")
