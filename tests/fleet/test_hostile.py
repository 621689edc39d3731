"""Hostile requests over raw sockets: a clear 4xx each, never a hung or broken door."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.program import until

_HOST = b"Host: t\r\n"
_BIG = 512 * 1024


@contextmanager
def _client(fleet: Fleet, seconds: float = 5) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", fleet.port), seconds) as connection:
        yield connection


def _say(fleet: Fleet, request: bytes, *, end: bool = True) -> bytes:
    """Everything that is answered until the door hangs up; `end`: we say that no more comes."""
    with _client(fleet) as connection:
        try:
            connection.sendall(request)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused while we were still talking
        said = b""
        try:
            while part := connection.recv(65536):
                said += part
        except ConnectionResetError:
            pass
        return said


def _statuses(said: bytes) -> list[int]:
    """The status codes of all answers in `said`, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def _headers(count: int, name: str = "X-{}") -> bytes:
    return b"".join(f"{name.format(number)}: v\r\n".encode() for number in range(count))


_POST = b"POST /v1/events HTTP/1.1\r\n" + _HOST
_HOSTILE = {
    "a long address": (b"GET /r/" + b"x" * 9_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n", 414),
    "a large header": (
        b"GET /healthz HTTP/1.1\r\n" + _HOST + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    "a large head of many headers": (
        b"GET /healthz HTTP/1.1\r\n" + _HOST
        + b"".join(b"X-%d: %b\r\n" % (number, b"x" * 900) for number in range(40)) + b"\r\n", 431),
    "a thousand headers": (
        b"GET /healthz HTTP/1.1\r\n" + _HOST + _headers(1000) + b"\r\n", 431),
    "a thousand headers of one name": (
        b"GET /healthz HTTP/1.1\r\n" + _HOST + _headers(1000, "X") + b"\r\n", 431),
    "a large body": (_POST + b"Content-Length: %d\r\n\r\n" % (_BIG + 1), 413),
    "a huge body": (_POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    "a large body in chunks": (
        _POST + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"10000\r\n" + b"x" * 65_536 + b"\r\n" + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 8,
        413),
    "a beacon over its cap": (
        b"POST /e/x HTTP/1.1\r\n" + _HOST + b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000, 413),
    "length and chunks": (
        _POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and length": (
        _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (_POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "a negative length": (_POST + b"Content-Length: -1\r\n\r\n", 400),
    "a broken chunk": (_POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "an unknown method": (b"BREW /healthz HTTP/1.1\r\n" + _HOST + b"\r\n", 400),
    "a method no door takes": (b"DELETE /r/x HTTP/1.1\r\n" + _HOST + b"\r\n", 405),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a space before the colon": (b"GET /healthz HTTP/1.1\r\nHost : t\r\n\r\n", 400),
    "a header with NUL": (b"GET /healthz HTTP/1.1\r\nHost: t\0t\r\n\r\n", 400),
    "a folded header": (b"GET /healthz HTTP/1.1\r\nHost: t\r\n X: y\r\n\r\n", 400),
    "an absolute form that is none": (b"GET http://[::1/r/x HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "an absolute form without a path": (
        b"GET http://elsewhere HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "an id that is no UTF-8": (b"GET /r/%ff%fe%00 HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "an id that is NUL": (b"GET /r/%00 HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "raw bytes in the address": (b"GET /r/\xff\xfe HTTP/1.1\r\n" + _HOST + b"\r\n", 404),
    "a body that is no UTF-8": (
        b"POST /e/x HTTP/1.1\r\n" + _HOST + b"Content-Length: 2\r\n\r\n\xff\xfe", 400),
}  # fmt: skip


@pytest.mark.parametrize("what", _HOSTILE)
def test_a_hostile_request_gets_a_clear_answer(fleet: Fleet, what: str) -> None:
    request, status = _HOSTILE[what]
    pid, since = fleet.pid("ingest"), len(fleet.programs["ingest"].said(0))

    said = _say(fleet, request)

    assert _statuses(said)[:1] == [status], said[:300]
    assert fleet.click(f"nobody{since}").status == 404
    assert fleet.ready()
    assert fleet.pid("ingest") == pid
    assert "door.failed" not in fleet.programs["ingest"].said(since)


def test_pipelined_requests_are_answered_in_their_order(fleet: Fleet) -> None:
    campaign = fleet.campaign(affiliate_link="https://example.com/{sub1}")
    name = campaign["tracking_id"]
    known = [f"GET /r/{name}?sub1=n{number} HTTP/1.1\r\nHost: t\r\n\r\n" for number in range(100)]

    said = _say(fleet, "".join(known).encode() + b"GET /healthz HTTP/1.1\r\n" + _HOST + b"\r\n")
    fleet.until_drained()

    places = [said.index(f"/n{number}\r\n".encode()) for number in range(100)]
    assert places == sorted(places)
    assert _statuses(said) == [302] * 100 + [200]
    assert len(set(fleet.stored(campaign["user_id"]))) == 100


def test_a_bad_request_behind_a_good_one_costs_the_good_one_nothing(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    good = f"GET /r/{campaign['tracking_id']} HTTP/1.1\r\nHost: t\r\n\r\n".encode()

    said = _say(fleet, good + b"not a request at all\r\n\r\n", end=False)

    assert _statuses(said)[0] == 302
    assert b"X-Click-Id: " in said


def test_thousands_of_requests_at_once_are_all_answered(fleet: Fleet) -> None:
    upgrade = b"GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    said = _say(fleet, upgrade * 3_000)

    assert _statuses(said) == [200] * 3_000


def test_old_and_odd_forms_of_a_request_are_understood(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    name = campaign["tracking_id"].encode()

    old = _say(fleet, b"GET /r/%b HTTP/1.0\r\n\r\n" % name, end=False)
    absolute = _say(fleet, b"GET http://elsewhere/r/%b?sub1=a HTTP/1.1\r\n%b\r\n" % (name, _HOST))
    upgrade = _say(
        fleet,
        b"GET /r/%b HTTP/1.1\r\n%bConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" % (name, _HOST),
    )
    head = _say(fleet, b"HEAD /r/%b HTTP/1.1\r\n%b\r\n" % (name, _HOST))
    fleet.until_drained()

    assert [_statuses(said) for said in (old, absolute, upgrade, head)] == [[302]] * 4
    assert b"Connection: close" in old
    assert b"X-Click-Id" not in head
    assert len(fleet.stored(campaign["user_id"])) == 3


def test_a_slow_client_is_cut_while_others_are_served(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    name = campaign["tracking_id"]
    with _client(fleet, 15) as slow, _client(fleet, 15) as silent:
        slow.sendall(f"GET /r/{name} HTTP/1.1\r\nX".encode())
        slow.setblocking(False)

        took = until(lambda: _dripped(fleet, slow, name), 14, "the slow client is cut")
        silent.sendall(f"GET /r/{name} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        answer = silent.recv(1000)

    assert 8 < took < 13
    assert answer.startswith(b"HTTP/1.1 302")


def _dripped(fleet: Fleet, slow: socket.socket, name: str) -> bool:
    """Serve somebody else, drip one byte more; True once the slow one was told that it is late."""
    assert fleet.click(name).status == 302
    try:
        slow.send(b"x")
        return slow.recv(1000).startswith(b"HTTP/1.1 408")
    except BlockingIOError:
        return False
