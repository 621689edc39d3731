"""Items 16-23: too much, in pieces, in disguise; 19, too slow, is in test_drips.py."""

import gzip
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from ingest.http import MAX_BODY_BYTES, MAX_TARGET_BYTES
from tests.hostile.siege import HOST, Siege, request, statuses

_GET = b"GET /healthz HTTP/1.1\r\n" + HOST
_POST = b"POST /v1/events HTTP/1.1\r\n" + HOST
_CHUNK = b"10000\r\n" + b"x" * 65_536 + b"\r\n"


@contextmanager
def _client(siege: Siege, seconds: float = 5) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", siege.fleet.port), seconds) as connection:
        yield connection


def _key(siege: Siege) -> bytes:
    return f"Authorization: {siege.key['Authorization']}\r\n".encode()


def _headers(count: int, name: str = "X-{}") -> bytes:
    return b"".join(f"{name.format(number)}: v\r\n".encode() for number in range(count))


def test_item_16_a_large_body_is_refused_before_it_is_read_or_at_its_cap(siege: Siege) -> None:
    honest = siege.say(_POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), end=False)
    huge = siege.say(_POST + b"Content-Length: 99999999999999999999\r\n\r\n", end=False)
    chunked = siege.say(_POST + b"Transfer-Encoding: chunked\r\n\r\n" + _CHUNK * 9, end=False)
    page = siege.say(request(b"POST", b"/e/" + siege.name.encode(), b"", b"x" * 70_000))

    assert [statuses(said)[0] for said in (honest, huge, chunked, page)] == [413, 400, 413, 413]


_FRAMINGS = {
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n": 400,
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n": 400,
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n": 400,
    b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd": 400,
    b"Content-Length: -1\r\n\r\n": 400,
    b"Content-Length: 0x10\r\n\r\n": 400,
    b"Content-Length: 1_0\r\n\r\n": 400,
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n": 400,
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n": 400,
}


def test_item_17_a_length_that_lies_smuggles_nothing(siege: Siege) -> None:
    for framing, status in _FRAMINGS.items():
        assert statuses(siege.say(_POST + framing))[:1] == [status], framing
    item = orjson.dumps(siege.item())
    head = _POST + _key(siege)
    high = siege.say(head + b"Content-Length: %d\r\n\r\n" % (len(item) + 5) + item)
    low = siege.say(head + b"Content-Length: %d\r\n\r\n" % (len(item) - 5) + item, end=False)
    pieces = b"".join(b"1;ext=%d\r\n%c\r\n" % (n, byte) for n, byte in enumerate(item))
    pieces += b"1\r\n \r\n" * 100_000
    chunks = siege.say(head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
    siege.acked += _accepted(chunks)

    assert statuses(high) == []
    assert statuses(low) == [400, 400]
    assert statuses(chunks) == [202]


def _accepted(said: bytes) -> list[str]:
    results = orjson.loads(said.partition(b"\r\n\r\n")[2])["results"]
    return [one["click_id"] for one in results if one["status"] == "accepted"]


def test_item_18_compressed_bodies_are_not_taken(siege: Siege) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 12_000
    for encoding in ("gzip", "gzip, gzip", "br", "deflate", "no-such", "identity;q=1"):
        for body in (bomb, orjson.dumps(siege.item())):
            assert siege.post(body, content_encoding=encoding).status == 415
            assert siege.beacon(body, content_encoding=encoding).status == 415
    assert siege.post(bomb).status == siege.beacon(bomb).status == 400


_LARGE_HEADS = {
    "an address": (b"GET /r/" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a header": (_GET + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    "a header name": (_GET + b"x" * 20_000 + b": x\r\n\r\n", 431),
    "many large headers": (
        _GET + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 900) for n in range(40)) + b"\r\n", 431),
    "a thousand headers": (_GET + _headers(1000) + b"\r\n", 431),
    "a thousand headers of one name": (_GET + _headers(1000, "X") + b"\r\n", 431),
    "a chunk's trailers": (
        _POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + _headers(5000) + b"\r\n", 431),
}  # fmt: skip


@pytest.mark.parametrize("what", _LARGE_HEADS)
def test_item_20_large_heads_are_refused_by_name(siege: Siege, what: str) -> None:
    data, status = _LARGE_HEADS[what]

    assert statuses(siege.say(data))[:1] == [status]


def test_item_20_the_first_of_many_parameters_counts(siege: Siege) -> None:
    many = "&".join(f"p{number}=" for number in range(1_200))
    assert len(many) < MAX_TARGET_BYTES

    repeated = siege.click("sub1=first&sub1=second&SUB1=third&sub2=a;sub3=b&sub4[]=c")
    crowded = siege.click("sub1=kept&" + many + "&sub2=lost")
    bare = siege.click("&&=&=x&sub1&%&%zz=%zz&sub2=%&" + "a" * 5_000 + "=b")

    meta = siege.row(repeated.click_id)["meta"]
    assert (meta["sub1"], meta["sub2"]) == ("first", "a;sub3=b")
    assert "sub3" not in meta
    assert "sub2" not in siege.row(crowded.click_id)["meta"]
    assert siege.row(bare.click_id)["meta"]["sub2"] == "%"


def test_item_21_forms_of_a_million_parts_cost_nothing(siege: Siege) -> None:
    parts = b"".join(
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" for _ in range(900)
    )
    fields = b"a&" * 32_000

    in_parts = siege.beacon(parts, content_type="multipart/form-data; boundary=b")
    to_servers = siege.post(parts, content_type="multipart/form-data; boundary=b")
    form = siege.beacon(fields, content_type="application/x-www-form-urlencoded")

    assert (in_parts.status, to_servers.status, form.status) == (415, 400, 204)
    assert len(siege.row(form.click_id)["meta"]) < 20


def test_item_22_who_leaves_in_the_middle_leaves_nothing(siege: Siege) -> None:
    item = orjson.dumps(siege.item())
    whole = request(b"POST", b"/v1/events", _key(siege), item)
    for length in (1, 20, len(whole) - len(item), len(whole) - 1):
        with _client(siege) as leaving:
            leaving.sendall(whole[:length])
            # Reset instead of a polite end.
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    half_closed = siege.say(request(b"GET", b"/r/" + siege.name.encode()))

    assert statuses(half_closed) == [302]


_ODD = {
    b"GET /healthz\r\n\r\n": 400,  # HTTP/0.9
    b"GET /healthz HTTP/2.0\r\n\r\n": 400,
    b"BREW /healthz HTTP/1.1\r\n" + HOST + b"\r\n": 400,
    b"DELETE /healthz HTTP/1.1\r\n" + HOST + b"\r\n": 405,
    b"TRACE /healthz HTTP/1.1\r\n" + HOST + b"\r\n": 405,
    b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"GET http://elsewhere HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"GET http://[::1/r/x HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"GET http://elsewhere/healthz HTTP/1.1\r\n" + HOST + b"\r\n": 200,
    b"GET /healthz HTTP/1.1\r\nHost : t\r\n\r\n": 400,
    b"GET /healthz HTTP/1.1\r\nHost: t\r\n X: y\r\n\r\n": 400,
    b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n": 400,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,  # TLS
    b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"GET //healthz HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"GET /r/%ff%fe%00 HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"GET /r/\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n": 404,
    b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n": 400,
}


def test_item_22_odd_requests_are_understood_or_told_what_is_wrong(siege: Siege) -> None:
    for data, status in _ODD.items():
        assert statuses(siege.say(data))[:1] == [status], data


def test_item_22_nobody_is_believed_about_who_he_is(siege: Siege) -> None:
    plain = siege.row(siege.click().click_id)["meta"]
    for number, header in enumerate(
        ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP")
    ):
        claim = f"for=203.0.113.{number}" if header == "Forwarded" else f"203.0.113.{number}"
        spoofed = siege.click("", {header: claim, "X-Forwarded-Host": "evil.example",
                                   "CF-IPCountry": "KP"})  # fmt: skip

        meta = siege.row(spoofed.click_id)["meta"]
        assert (meta["ip"], meta["visitor"]) == (plain["ip"], plain["visitor"])
        assert "country" not in meta
    hosts = siege.say(b"GET /r/%b HTTP/1.1\r\nHost: evil.example\r\n\r\n" % siege.name.encode())
    assert b"Location: https://example.com/\r\n" in hosts


def test_item_23_a_flood_from_one_address_is_answered_to_its_last_request(siege: Siege) -> None:
    path = b"/r/" + siege.name.encode()

    said = [siege.say(request(b"GET", path) * 300) for _ in range(3)]

    assert [statuses(one) for one in said] == [[302] * 300] * 3
    assert siege.ask("GET", "/healthz").status == 200
