"""Signatures of what we send, as Standard Webhooks 1.0 has them (www.standardwebhooks.com).

The headers are `webhook-id`, the same in every try, `webhook-timestamp` in seconds, and
`webhook-signature`: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
LEAST_BYTES = 16  # the specification's own tools make 24 to 64


def headers(secret: str, key: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers; raises ValueError when the secret is none."""
    signed = f"{key}.{seconds}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": str(seconds),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def key_of(secret: str) -> bytes:
    """The bytes under a secret; raises ValueError when it is none.

    `whsec_` and base64 are the specification's; any other text is taken as it is.
    """
    if not secret.startswith(_PREFIX):
        found = secret.encode()
    else:
        text = secret.removeprefix(_PREFIX)
        try:
            found = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("a signing secret is whsec_ and base64") from None
    if len(found) < LEAST_BYTES:
        raise ValueError(f"a signing secret has at least {LEAST_BYTES} bytes")
    return found
