"""A fuzzer over bytes: HTTP in any pieces, Redis' replies in any pieces, spools spoilt at will."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hiredis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as chosen
from hypothesis import strategies as st

from base.errors import StoreAway
from journal.appends import Batch
from journal.spool import Damage, Spool, read, segments
from journal.streams import Kind
from journal.wire import Wire, _Protocol
from tests.hostile.mutations import pieces, spoilt_bytes
from tests.ingest.serving import GET, serving
from tests.ingest.talking import ask, talk
from tests.journal.spooling import batch

FEW, MANY = 30, 3_000
GIB = 1024**3

_REQUESTS = [
    b"GET /a?b=c HTTP/1.1\r\nHost: t\r\nA: 1\r\nA: 2\r\n\r\n",
    b"POST /e/x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /e/y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    b"GET /u HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
]
_BEYOND_ASCII = (
    b"GET /caf\xc3\xa9/\xff?a=\xe9 HTTP/1.1\r\nHost: t\r\nX: \xc3\xa9\r\nY: \xe9\r\n\r\n"
)
_REPLIES = [
    b"+OK\r\n", b":42\r\n", b"$5\r\nhello\r\n", b"$-1\r\n", b"*2\r\n$1\r\na\r\n:1\r\n", b"*0\r\n",
    b"-ERR no\r\n", b"*-1\r\n", b"$0\r\n\r\n", b"-OOM full\r\n",
]  # fmt: skip


def _few(count: int) -> Callable[[Any], Any]:
    return chosen(
        max_examples=count, deadline=None, database=None, derandomize=count == FEW,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


async def _answers(port: int, parts: list[bytes], count: int) -> list[tuple[int, bytes]]:
    async with talk(port) as connection:
        connection.writer.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        for part in parts:
            connection.send(part)
            await asyncio.sleep(0)
        answers = [await connection.answer() for _ in range(count)]
        return [(answer.status, answer.body) for answer in answers]


def _http(count: int) -> None:
    bugs: list[None] = []
    with asyncio.Runner() as runner:

        @_few(count)
        @given(st.data())
        def any_pieces(data: st.DataObject) -> None:
            asked = data.draw(st.lists(st.sampled_from(_REQUESTS), min_size=1, max_size=6))
            parts = data.draw(pieces(b"".join(asked)))
            junk = data.draw(spoilt_bytes(b"".join(asked)))
            odd = data.draw(pieces(_BEYOND_ASCII))

            async def test() -> None:
                async with serving(on_bug=lambda: bugs.append(None)) as server:
                    whole = [(await _answers(server.port, [one], 1))[0] for one in asked]
                    assert await _answers(server.port, parts, len(asked)) == whole
                    assert await _answers(server.port, odd, 1) == await _answers(
                        server.port, [_BEYOND_ASCII], 1
                    )
                    async with talk(server.port) as connection:
                        connection.send(junk)
                        await asyncio.sleep(0)
                    assert (await ask(server.port, GET)).status == 200

            runner.run(test())

        any_pieces()
    assert bugs == []


async def _calls(sent: list[bytes], wanted: int) -> list[Any]:
    """What our end of a wire makes of these bytes; raises `StoreAway` only."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    _, protocol = await asyncio.get_running_loop().create_connection(_Protocol, sock=ours)
    wire = Wire(protocol)
    try:
        call = asyncio.ensure_future(wire.call([("PING",)] * wanted, 5))
        await asyncio.sleep(0)
        for part in sent:
            if part:
                theirs.sendall(part)
                await asyncio.sleep(0)
        theirs.close()
        return await call
    finally:
        wire.close()
        theirs.close()


def _resp(count: int) -> None:
    with asyncio.Runner() as runner:

        @_few(count)
        @given(st.data())
        def any_pieces(data: st.DataObject) -> None:
            said = data.draw(st.lists(st.sampled_from(_REPLIES), min_size=1, max_size=6))
            parts = data.draw(pieces(b"".join(said)))
            junk = data.draw(spoilt_bytes(b"".join(said)))
            reader = hiredis.Reader()
            reader.feed(b"".join(said))
            expected = [reader.gets() for _ in said]

            found = runner.run(_calls(parts, len(said)))
            assert list(map(repr, found)) == list(map(repr, expected))
            try:
                spoilt = runner.run(_calls([junk], len(said)))
            except StoreAway:
                return
            assert len(spoilt) == len(said)

        any_pieces()


def _spool(count: int, folder: Path) -> None:
    kept = [batch(b"[%d]" % number * 30, kind) for number in range(3) for kind in Kind]
    spool = Spool(folder, "fuzz", GIB)
    spool.append(kept)
    spool.close()
    (segment,) = segments(folder / "fuzz")
    whole = segment.read_bytes()

    @_few(count)
    @given(spoilt_bytes(whole))
    def any_bytes(data: bytes) -> None:
        segment.write_bytes(data)
        damage = Damage()
        found = list(read(segment, damage))
        # What comes back is whole, whatever stood around it; what does not was counted.
        assert {_key(one) for one in found} <= {_key(one) for one in kept}
        assert damage.bytes >= 0
        if len({_key(one) for one in found}) < len(kept):
            assert damage.bytes > 0 or len(data) < len(whole)

    any_bytes()


def _key(one: Batch) -> tuple[str, str, int, bytes]:
    return (str(one.kind), one.id, one.count, one.body)


def test_http_is_the_same_in_any_pieces() -> None:
    _http(FEW)


def test_redis_replies_are_the_same_in_any_pieces() -> None:
    _resp(FEW)


def test_a_spoilt_spool_gives_back_only_what_was_put_there(tmp_path: Path) -> None:
    _spool(2 * FEW, tmp_path)


@pytest.mark.long
def test_wires_and_spools_in_thousands_of_cases(tmp_path: Path) -> None:
    _http(MANY)
    _resp(MANY)
    _spool(4 * MANY, tmp_path)
