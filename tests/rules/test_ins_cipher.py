"""Opening ClickBank's notifications: tolerant of how they are filled up, never of anything else."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import Permanent
from rules import ins
from rules.ins_cipher import Sealed, Undecryptable, _cipher_key, decrypt, verify, wire
from schemas.ins import Unreadable, read
from schemas.integrations import DEFAULTS
from tests import notifications as told

SECRET = "QH7TRAILMAP20260"
IV = b"7C1E09A4F25B83D6"
TEXT = b'{"receipt":"QX7PLM2E","transactionType":"SALE","totalAccountAmount":41.37,"version":8.0}'


def sealed(padded: bytes, iv: bytes = IV, secret: str = SECRET) -> Sealed:
    cipher = Cipher(algorithms.AES(_cipher_key(secret)), modes.CBC(iv)).encryptor()
    hidden = cipher.update(padded) + cipher.finalize()
    return Sealed(base64.b64encode(hidden).decode(), base64.b64encode(iv).decode())


def test_the_worked_example_of_the_scheme() -> None:
    body = (
        b'{"notification":"ek5kqcB621jNEQjHG/yRHM25ooFd+73sh4+qJFZDYSY7uSu5+sau0iijJs7t1khc5YwK2iq'
        b'MGk94BXRAVpaOLDdVHOGyNeTxjs4MoYpEcTDSGnODH1o8/Op4IZyY4RyC","iv":"N0MxRTA5QTRGMjVCODNENg'
        b'=="}'
    )

    carried = wire(body)

    assert isinstance(carried, Sealed)
    assert decrypt(carried, SECRET) == TEXT


@pytest.mark.parametrize("one", told.vectors(), ids=lambda one: one["id"])
def test_a_vector_is_opened_to_the_letter(one: dict[str, Any]) -> None:
    as_form = wire(urlencode(one["request_body"]).encode())
    with_lost_plus = wire(urlencode(one["request_body"]).replace("%2B", "+").encode())
    as_json = wire(json.dumps(one["request_body"], indent=2).encode())

    for carried in (as_json, as_form, with_lost_plus):
        assert isinstance(carried, Sealed)
        assert decrypt(carried, one["secret_key"]).decode() == one["plaintext"]


@pytest.mark.parametrize("filler", [b"\0", b" "])
def test_other_fillers_than_the_standards_are_taken(filler: bytes) -> None:
    assert decrypt(sealed(TEXT.ljust(96, filler)), SECRET) == TEXT


def test_line_breaks_in_base64_do_not_count() -> None:
    whole = sealed(TEXT + b"\x08" * 8)
    broken = Sealed("\r\n".join(whole.notification[at : at + 20] for at in range(0, 200, 20)),
                    whole.iv + "\n")  # fmt: skip

    assert decrypt(broken, SECRET) == TEXT


PADDED = TEXT + b"\x08" * 8
WHOLE = sealed(PADDED)
FLIPPED = base64.b64encode(
    (lambda raw: raw[:-17] + bytes([raw[-17] ^ 1]) + raw[-16:])(
        base64.b64decode(WHOLE.notification)
    )
).decode()
ATTACKS = {
    "another key": sealed(PADDED, secret="OTHERKEY"),
    "truncated by a block": Sealed(
        base64.b64encode(base64.b64decode(WHOLE.notification)[:-16]).decode(), WHOLE.iv
    ),
    "truncated within a block": Sealed(
        base64.b64encode(base64.b64decode(WHOLE.notification)[:-5]).decode(), WHOLE.iv
    ),
    "another padding": Sealed(FLIPPED, WHOLE.iv),
    "a padding of nothing": sealed(TEXT + b"\0" * 7 + b"\x11"),
    "no text": sealed(b"\x10" * 16),
    "a short iv": Sealed(WHOLE.notification, base64.b64encode(IV[:15]).decode()),
    "an iv in hex": Sealed(WHOLE.notification, IV.decode()),
    "no base64": Sealed("!" * 64, WHOLE.iv),
    "base64 of nothing": Sealed("====", WHOLE.iv),
    "not ASCII": Sealed("é" * 64, WHOLE.iv),
    "an array": sealed(b"[" + b" " * 14 + b"]"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_named_and_opens_nothing(attack: str) -> None:
    with pytest.raises(Undecryptable):
        decrypt(ATTACKS[attack], SECRET)


def test_what_the_first_block_was_changed_to_does_not_fit_a_notification() -> None:
    """CBC lets whoever holds a message change its first block at will, by the iv alone."""
    iv = bytes(a ^ b ^ c for a, b, c in zip(IV, TEXT[:16], b'{"receipt":"../.', strict=True))

    with pytest.raises(Unreadable):
        read(decrypt(Sealed(WHOLE.notification, base64.b64encode(iv).decode()), SECRET))


@pytest.mark.parametrize("one", told.forms(), ids=lambda one: one["id"])
def test_a_form_that_was_changed_is_refused(one: dict[str, Any]) -> None:
    fields = one["fields"]
    carried = wire(urlencode(fields).encode())

    assert carried == fields
    verify(fields, one["secret_key"])
    for wrong in ({**fields, "caccountamount": "999"}, {**fields, "extra": "1"},
                  {**fields, "cverify": "é"}, {**fields, "cverify": ""}):  # fmt: skip
        with pytest.raises(Undecryptable):
            verify(wrong, one["secret_key"])
    with pytest.raises(Undecryptable):
        verify(fields, "OTHERKEY")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b'{"notification":"","iv":""}', b'{"notification":1,"iv":2}',
     b"notification=x", b"\xff\xfe", b"a=" * 5_000, b"&".join([b"cverify=1"] * 500),
     b'{"notification":"x"}', b"--x\r\n", b'"' * 1000],
)  # fmt: skip
def test_what_is_no_notification_is_none(body: bytes) -> None:
    assert wire(body) is None


def _handle(body: bytes) -> None:
    """All that is done with a message; nothing but our own errors may come out."""
    try:
        carried = wire(body)
        if isinstance(carried, Sealed):
            note = read(decrypt(carried, SECRET))
        elif carried is not None:
            verify(carried, SECRET)
            note = ins.from_form(carried)
        else:
            return
        if ins.outcome(note, DEFAULTS) == ins.RECORDED:
            orjson.dumps(ins.item(note, "0190" * 3 + "7000" + "8" * 16, "u", "i"))
    except Permanent:
        pass


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(
        ["SALE", "RFND", "QX7PLM2E", "-1.00", "1e400", "NaN", "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)  # fmt: skip
_NAMES = (
    "transactionType", "transactionTime", "receipt", "role", "vendor", "affiliate", "version",
    "totalAccountAmount", "totalOrderAmount", "currency", "trackingCodes", "attemptCount",
    "affiliateTrackingParameters", "vendorVariables", "lineItems", "upsell", "customer",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(_NAMES), _json))
def test_no_field_of_any_kind_breaks_the_reading(fields: dict[str, Any]) -> None:
    text = json.dumps({"transactionType": "SALE", "receipt": "QX7PLM2E"} | fields)

    _handle(told.encrypted(text.encode("utf-8", "surrogatepass"), SECRET))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_text_breaks_the_reading(text: bytes) -> None:
    _handle(told.encrypted(b"{" + text + b"}", SECRET))
    _handle(text)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=20))
def test_no_ciphertext_breaks_the_opening(hidden: bytes, iv: bytes) -> None:
    _handle(orjson.dumps({"notification": base64.b64encode(hidden).decode(),
                          "iv": base64.b64encode(iv).decode()}))  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(told.forms()[0]["fields"])), st.text()))
def test_no_form_breaks_the_reading(fields: dict[str, str]) -> None:
    _handle(urlencode(fields, errors="surrogatepass").encode())


def test_a_deeply_nested_text_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read(b'{"a":' * 50_000 + b"1" + b"}" * 50_000)
