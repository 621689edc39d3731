"""Many requests at once, and odd ones: each gets its answer in its place."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fleet.fleet import Fleet

_HOST = b"Host: t\r\n"


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
