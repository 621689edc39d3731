"""Calls over HTTP: bounded in time and size, signed by nobody else, and told in one word."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from integrations.calling import MOST_BYTES, Answer, Caller, Unsendable, request
from integrations.guard import Guard
from tests.certificates import certificate
from tests.web import Answering, Got, Web, hang_up, say, say_each, web

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as found:
        yield found


def call(
    server: Web, method: str = "POST", url: str = "", *, seconds: float = 10.0, times: int = 1,
    headers: dict[str, str] | None = None, **given: Any,
) -> Answer:  # fmt: skip
    """Send a request so often, one after the other; the last answer."""
    what = request(
        method, url or f"{server.url}/", headers or {}, b"body", frozenset({server.port})
    )

    async def send() -> Answer:
        caller = Caller(Guard(LOOPBACK), **given)
        try:
            for _ in range(times):
                answer = await caller.send(what, seconds)
        finally:
            await caller.close()
        return answer

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "accepted"), (204, "accepted"), (299, "accepted"), (301, "refused"),
        (400, "refused"), (401, "refused"), (404, "refused"), (410, "refused"), (422, "refused"),
        (408, "deferred"), (425, "deferred"), (429, "deferred"), (500, "deferred"),
        (503, "deferred"), (599, "deferred"),
    ],
    ids=str,
)  # fmt: skip
def test_a_status_becomes_one_word(server: Web, status: int, outcome: str) -> None:
    server.answer = say(status, b"")

    answer = call(server)

    assert (answer.outcome, answer.status) == (outcome, status)


def test_a_redirect_is_not_followed(server: Web) -> None:
    with web() as elsewhere:
        server.answer = say(302, b"", f"Location: {elsewhere.url}/stolen")

        answer = call(server)

        assert (answer.outcome, answer.status) == ("refused", 302)
        assert elsewhere.got == []


def test_no_cookie_is_kept(server: Web) -> None:
    server.answer = say(200, b"ok", "Set-Cookie: session=1")

    call(server, times=2)

    assert [got.headers.get("cookie") for got in server.got] == [None, None]
    assert server.connections == 1


def test_proxies_of_the_environment_are_not_used(
    server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        answer = call(server)

        assert answer.outcome == "accepted"
        assert proxy.got == []


def test_a_connection_of_its_own_for_what_must_not_be_sent_twice(server: Web) -> None:
    what = request("POST", server.url, {}, b"", frozenset({server.port}))

    async def send() -> None:
        caller = Caller(Guard(LOOPBACK))
        for fresh in (False, True, True):
            await caller.send(what, 10, fresh=fresh)
        await caller.close()

    asyncio.run(send())

    assert server.connections == 3


async def _drip(_: Got, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _drip_head(_: Got, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _continue_for_ever(_: Got, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("drip", [_drip, _drip_head, _continue_for_ever])
def test_a_server_that_drips_meets_the_deadline(server: Web, drip: Answering) -> None:
    server.answer = drip

    answer = call(server, seconds=0.5)

    assert answer.outcome == "unknown"
    assert answer.said == "there was no whole answer within 0.5 s"


def test_a_server_that_says_nothing_leaves_the_outcome_unknown(server: Web) -> None:
    server.answer = server.hang

    assert call(server, seconds=0.3).outcome == "unknown"


def test_a_server_that_hangs_up_leaves_the_outcome_unknown(server: Web) -> None:
    server.answer = hang_up

    assert call(server).outcome == "unknown"


def test_what_nobody_listens_for_was_not_sent(server: Web) -> None:
    with web() as closed:
        pass

    answer = call(closed)

    assert (answer.outcome, answer.status) == ("unreachable", None)


def test_a_private_address_is_refused_and_nothing_is_sent(server: Web) -> None:
    what = request("GET", server.url, {}, b"", frozenset({server.port}))

    async def send() -> Answer:
        return await Caller(Guard()).send(what, 5)

    answer = asyncio.run(send())

    assert (answer.outcome, answer.status) == ("refused", None)
    assert "only the internet may be called" in answer.said
    assert server.connections == 0


def test_an_answer_is_read_up_to_the_cap(server: Web) -> None:
    server.answer = say(200, b"x" * (MOST_BYTES + 1))
    cut = call(server)
    server.answer = say(200, b"x" * MOST_BYTES)
    whole = call(server)

    assert (cut.outcome, len(cut.body), cut.cut) == ("accepted", MOST_BYTES, True)
    assert (len(whole.body), whole.cut) == (MOST_BYTES, False)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_unpacked_up_to_the_cap_and_was_not_asked_for(server: Web, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    server.answer = say(200, pack(b"0" * 50_000_000), f"Content-Encoding: {encoding}")

    answer = call(server)

    assert (len(answer.body), answer.cut) == (MOST_BYTES, True)
    assert server.got[0].headers["accept-encoding"] == "identity"


def test_a_packed_answer_that_nobody_asked_for_is_unpacked(server: Web) -> None:
    server.answer = say(200, gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip")

    assert call(server).body == b'{"a": 1}'


@pytest.mark.parametrize("line", ["\r\nX-Evil: 1", "\nX-Evil: 1", "\rX", "a\0b", "a\x7f"], ids=repr)
def test_a_header_that_holds_a_lines_end_is_not_sent(line: str) -> None:
    with pytest.raises(Unsendable, match="control character"):
        request("GET", "http://example.com/", {"X-Mine": f"yes{line}"}, b"")


@pytest.mark.parametrize("name", ["X Mine", "X:", "", "X\r\nEvil", "Ü"], ids=repr)
def test_a_header_with_a_name_that_is_none_is_not_sent(name: str) -> None:
    with pytest.raises(Unsendable, match="a name that is none"):
        request("GET", "http://example.com/", {name: "yes"}, b"")


@pytest.mark.parametrize(
    "name",
    ["Host", "connection", "Transfer-Encoding", "content-length", "TE", "Upgrade",
     "Proxy-Authorization", "Accept-Encoding", "Expect"],
)  # fmt: skip
def test_a_header_of_the_connection_is_not_the_users(name: str) -> None:
    with pytest.raises(Unsendable, match="not yours to set"):
        request("GET", "http://example.com/", {name: "x"}, b"")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/", "neither http"), ("file:///etc/passwd", "neither http"),
        ("gopher://example.com/", "neither http"), ("//example.com/", "neither http"),
        ("javascript:alert(1)", "neither http"), ("example.com", "neither http"),
        ("http:///path", "no host"), ("http://", "no host"),
        ("http://user:pass@example.com/", "a user or a password"),
        ("http://good.example@evil.example/", "a user or a password"),
        ("http://example.com:22/", "port 22"), ("http://example.com:6379/", "port 6379"),
        ("https://example.com:25/", "port 25"), ("http://example.com:0/", "port 0"),
        ("http://example.com:99999/", "port 99999"), ("http://exa mple.com/", "no host"),
        ("http://example.com/\r\nX: 1", "no web"), ("http://example.com\r\n.evil/", "no web"),
        (f"http://{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 63}.com/", "no "),
        ("http://example.com/" + "a" * 9_000, "8192 characters"),
        ("http://[::1", "no web address"),
    ],
    ids=["ftp", "file", "gopher", "no-scheme", "javascript", "bare", "no-host", "nothing",
         "password", "fake-host", "ssh", "redis", "smtp", "port-0", "port-99999", "space", "crlf",
         "crlf-host", "long-host", "long", "bracket"],
)  # fmt: skip
def test_an_address_that_breaks_a_rule_is_not_called(url: str, why: str) -> None:
    with pytest.raises(Unsendable, match=why):
        request("GET", url, {}, b"")


def test_a_name_in_another_script_is_encoded_once() -> None:
    assert request("GET", "http://bücher.example/ä?ö=ü", {}, b"").url.raw_host == (
        b"xn--bcher-kva.example"
    )


def test_tls_asks_for_the_hosts_own_name_at_the_checked_address(tmp_path: Path) -> None:
    server_side, trusting = certificate(tmp_path, "good.example")

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def send(host: str, tls: ssl.SSLContext | None) -> Answer:
        what = request("GET", f"https://{host}:{here.port}/", {}, b"", frozenset({here.port}))
        caller = Caller(Guard(LOOPBACK, resolve), tls)
        answer = await caller.send(what, 10)
        await caller.close()
        return answer

    with web(server_side) as here:
        good = asyncio.run(send("good.example", trusting))
        other = asyncio.run(send("other.example", trusting))
        stranger = asyncio.run(send("good.example", None))

        assert good.outcome == "accepted"
        assert here.got[0].headers["host"] == f"good.example:{here.port}"
        assert (other.outcome, stranger.outcome) == ("unreachable", "unreachable")
        assert "TLS" in other.said
        assert len(here.got) == 1


def test_a_connection_that_the_server_has_ended_is_not_used_again(server: Web) -> None:
    async def and_close(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server.answer = say_each(and_close, say(200))
    what = request("POST", server.url, {}, b"", frozenset({server.port}))

    async def send() -> list[str]:
        caller = Caller(Guard(LOOPBACK))
        first = await caller.send(what, 10)
        await asyncio.to_thread(lambda: None)
        while server.writers:
            await asyncio.sleep(0.01)
        second = await caller.send(what, 10)
        await caller.close()
        return [first.outcome, second.outcome]

    assert asyncio.run(send()) == ["accepted", "accepted"]
