"""Who may report payments to a postback address: listed senders, signed reports."""

import hmac
import re
from urllib.parse import unquote_plus

from base.settings import Networks
from rules import addresses
from schemas.integrations import Signature

_MOST_SIGNATURE_CHARACTERS = 128  # SHA-512 in hex
_HEX = re.compile(b"[0-9a-fA-F]+")


def is_allowed(address: str, allowed: Networks) -> bool:
    """Whether a sender may report; everybody may where no list says otherwise."""
    if not allowed:
        return True
    parsed = addresses.parse(address)
    return parsed is not None and any(parsed in network for network in allowed)


def is_signed(query: bytes, body: bytes, signature: Signature, secret: str | None) -> bool:
    """Whether a report carries the HMAC of what it says, in hex.

    Signed are query string and body as they stand on the wire without the signature's own
    parameter, and a line feed between them when there are both.
    """
    name = signature.param.lower()
    rest, told = _without(query, name)
    message = rest
    if body:
        is_form = body.lstrip()[:1] not in (b"{", b"[")
        rest, more = _without(body, name) if is_form else (body, [])
        told += more
        message = b"\n".join(part for part in (message, rest) if part)
    if len(told) != 1 or not secret:
        return False
    given = told[0]
    if len(given) > _MOST_SIGNATURE_CHARACTERS or not _HEX.fullmatch(given):
        return False
    right = hmac.digest(secret.encode(), message, signature.algorithm).hex().encode()
    return hmac.compare_digest(given.lower(), right)


def _without(form: bytes, name: str) -> tuple[bytes, list[bytes]]:
    """An urlencoded text without a parameter, and that one's values."""
    rest, told = [], []
    for pair in form.split(b"&"):
        key, _, value = pair.partition(b"=")
        is_it = unquote_plus(key.decode("latin-1")).lower() == name
        told.append(value) if is_it else rest.append(pair)
    return b"&".join(rest), told
