"""Signatures of what we send, held against the specification's own library."""

import base64
import json

import pytest
from standardwebhooks import Webhook

from base.clock import wall_ms
from rules.webhook_signature import headers, key_of

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.mark.parametrize("body", [b"{}", b'{"a": "\xc3\xbc"}', b"[1, 2]"], ids=repr)
def test_the_specifications_library_takes_them(body: bytes) -> None:
    signed = headers(SECRET, "msg_1", wall_ms() // 1000, body)

    assert Webhook(SECRET).verify(body, signed) == json.loads(body)


def test_a_signature_is_the_specifications_example() -> None:
    # From its reference libraries' tests.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "short", "whsec_c2hvcnQ="])
def test_a_secret_that_protects_nothing_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="a signing secret"):
        key_of(secret)


def test_a_secret_without_the_prefix_is_taken_as_it_is() -> None:
    assert key_of("a text of some length") == b"a text of some length"
