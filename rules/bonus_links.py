"""Links to bonuses: signed and expiring, so that nobody can make one, or use one for ever."""

import base64
import binascii
import hashlib
import hmac
from typing import Literal, NamedTuple

# Of a delivery: to its file. Of a claim: to whatever the claim turned out to be worth.
Kind = Literal["delivery", "claim"]

_KINDS: dict[Kind, bytes] = {"delivery": b"d", "claim": b"c"}
_OF: dict[bytes, Kind] = {letter: kind for kind, letter in _KINDS.items()}
_ID_BYTES = 16
_TIME_BYTES = 5
_SIGNED_BYTES = 1 + _ID_BYTES + _TIME_BYTES
_SIGNATURE_BYTES = 16
_TOKEN_CHARACTERS = 51  # 38 bytes in base64, without its padding


class BonusLink(NamedTuple):
    """What a token says; `ident` is a delivery's number, or a claim's id as a number."""

    kind: Kind
    ident: int
    expires_at: int  # seconds since 1970


def make(secret: bytes, link: BonusLink) -> str:
    """The token that stands in the address."""
    told = (
        _KINDS[link.kind]
        + link.ident.to_bytes(_ID_BYTES, "big")
        + link.expires_at.to_bytes(_TIME_BYTES, "big")
    )
    return base64.urlsafe_b64encode(told + _sign(secret, told)).decode().rstrip("=")


def read(secrets: tuple[bytes, ...], token: str) -> BonusLink | None:
    """What a token of ours says, expired or not; None for anybody else's.

    `secrets` are all there were, so that links outlive a change of the secret.
    """
    if len(token) != _TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        whole = base64.urlsafe_b64decode(token + "=")
    except (binascii.Error, ValueError):
        return None
    told, signature = whole[:_SIGNED_BYTES], whole[_SIGNED_BYTES:]
    if len(whole) != _SIGNED_BYTES + _SIGNATURE_BYTES or not any(
        hmac.compare_digest(signature, _sign(secret, told)) for secret in secrets
    ):
        return None
    kind = _OF[told[:1]]
    ident = int.from_bytes(told[1 : 1 + _ID_BYTES], "big")
    return BonusLink(kind, ident, int.from_bytes(told[1 + _ID_BYTES :], "big"))


def _sign(secret: bytes, told: bytes) -> bytes:
    key = hashlib.sha256(b"hopfleet bonus link\0" + secret).digest()
    return hmac.digest(key, told, "sha256")[:_SIGNATURE_BYTES]
