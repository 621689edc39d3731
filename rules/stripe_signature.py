"""Whether Stripe signed these bytes lately: `Stripe-Signature` against a list of secrets.

The scheme is `t=SECONDS,v1=HEX[,v1=HEX…]` with HMAC-SHA256 over `SECONDS.BODY`; while a secret is
rolled there are several (docs.stripe.com/webhooks, "Verify manually").
"""

import hashlib
import hmac
from collections.abc import Sequence

TOLERANCE_SECONDS = 300  # to both sides: Stripe's own library lets the far future pass
MOST_SIGNATURES = 8
_MOST_PARTS = 16
_MOST_HEADER_BYTES = 2048
_MOST_DIGITS = 11  # of a time in seconds; it lasts beyond the year 5000


def fault(header: bytes, body: bytes, secrets: Sequence[bytes], now_seconds: float) -> str | None:
    """What is wrong with a signature, in a few words for our counts; None when it holds."""
    if not header:
        return "missing"
    found = _parts(header)
    if found is None:
        return "malformed"
    at, signatures = found
    signed = at + b"." + body
    if not any(_is_one_of(signatures, secret, signed) for secret in secrets if secret):
        return "wrong"
    return "old" if abs(now_seconds - int(at)) > TOLERANCE_SECONDS else None


def sign(body: bytes, secret: bytes, seconds: int) -> bytes:
    """The header that Stripe would send with this body."""
    signed = b"%d.%b" % (seconds, body)
    return b"t=%d,v1=%b" % (seconds, _digest(secret, signed))


def _parts(header: bytes) -> tuple[bytes, list[bytes]] | None:
    """The time as it stands there, and the signatures; None for what no Stripe sends."""
    if len(header) > _MOST_HEADER_BYTES:
        return None
    parts = [part.strip().partition(b"=") for part in header.split(b",", _MOST_PARTS)]
    times = [value for name, _, value in parts if name == b"t"]
    signatures = [value for name, _, value in parts if name == b"v1"]
    if len(parts) > _MOST_PARTS or len(times) != 1 or len(signatures) > MOST_SIGNATURES:
        return None
    is_time = times[0].isdigit() and len(times[0]) <= _MOST_DIGITS
    return (times[0], signatures) if is_time else None


def _digest(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).hexdigest().encode()


def _is_one_of(signatures: list[bytes], secret: bytes, signed: bytes) -> bool:
    expected = _digest(secret, signed)
    # All of them: how long it takes says nothing about which one was right.
    return sum(hmac.compare_digest(expected, one) for one in signatures) > 0
