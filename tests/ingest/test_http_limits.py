"""The HTTP server before strangers: sizes, deadlines, garbage, and too many of them."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from ingest import http
from ingest.http import MAX_BODY_BYTES
from ingest.responses import response
from tests.ingest.serving import GET, Held, pass_seconds, run, serving, understood, until
from tests.ingest.talking import Talk, ask, talk


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"GET\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),  # TLS knocks at the wrong door
        (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (400, b"GET /\r\n\r\n"),  # HTTP/0.9
        (400, b"GET / HTTP/2.0\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
        (400, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n0\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)),
        (
            413,
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY_BYTES + 1)
            + b"x" * (MAX_BODY_BYTES + 1),
        ),
        (414, b"GET /" + b"x" * http.MAX_TARGET_BYTES + b" HTTP/1.1\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nA: " + b"x" * http.MAX_HEAD_BYTES),
        (431, b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: 1\r\n" % n for n in range(101)) + b"\r\n"),
    ],
)
def test_what_cannot_be_a_request_is_told_so_and_hung_up_on(status: int, data: bytes) -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(data)
            answer = await connection.answer()

            assert answer.status == status
            assert answer.headers["connection"] == "close"
            assert await connection.is_closed()
            assert (await ask(server.port, GET)).status == 200

    run(test())


def test_bodies_and_heads_of_exactly_the_limit_pass() -> None:
    body = b"x" * MAX_BODY_BYTES
    target = b"/v1/events?".ljust(http.MAX_TARGET_BYTES, b"x")
    head = b"POST " + target + b" HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES

    async def test() -> None:
        seen = await understood(head + body)

        assert len(seen["body"]) == MAX_BODY_BYTES
        assert len(seen["target"]) == http.MAX_TARGET_BYTES

    run(test())


@pytest.mark.parametrize("length", [b"Content-Length: %d", b"Transfer-Encoding: chunked"])
def test_only_servers_may_post_large_bodies(length: bytes) -> None:
    size = http.MAX_PAGE_BODY_BYTES + 1
    head = b"POST /e/x HTTP/1.1\r\n" + length.replace(b"%d", b"%d" % size) + b"\r\n\r\n"
    body = b"x" * size
    if b"chunked" in length:
        body = b"%x\r\n%s" % (size, body)

    async def test() -> None:
        async with serving() as server:
            assert (await ask(server.port, head + body)).status == 413

    run(test())


def test_bodies_of_all_connections_have_a_sum_and_leave_it_again() -> None:
    held = Held()
    large = b"POST /v1/events HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES

    async def test() -> None:
        async with serving(held, most=200) as server, AsyncExitStack() as stack:

            async def send(data: bytes) -> Talk:
                connection = await stack.enter_async_context(talk(server.port))
                connection.send(data)
                return connection

            room = http.MAX_BUFFERED_BYTES // MAX_BODY_BYTES
            half_sent = [await send(large + b"x" * (MAX_BODY_BYTES - 1)) for _ in range(room - 1)]
            whole = await send(large + b"x" * MAX_BODY_BYTES)
            await until(lambda: server.buffered == http.MAX_BUFFERED_BYTES - room + 1)
            refused = await send(large + b"x" * 1_000)

            assert (await refused.answer()).status == 503
            await held.answer(b"kept")
            assert (await whole.answer()).body == b"kept"
            for one in half_sent:
                one.writer.close()
            await until(lambda: server.buffered == 0)

    run(test())


def test_no_more_is_read_behind_a_body_that_waits() -> None:
    held = Held()
    post = b"POST /v1/events HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES
    post += b"x" * MAX_BODY_BYTES

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as connection:
            connection.send(post * 10)
            await until(lambda: any(one._paused_reading for one in server.connections))
            assert server.buffered < 3 * MAX_BODY_BYTES
            for _ in range(10):
                await held.answer()
                assert (await connection.answer()).status == 200

            assert server.buffered == 0

    run(test())


def test_what_came_before_a_broken_request_still_gets_its_answer() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as connection:
            connection.send(GET + GET + b"garbage\r\n\r\n")
            for _ in range(2):
                await held.answer(b"recorded")
                assert (await connection.answer()).body == b"recorded"

            assert (await connection.answer()).status == 400
            assert await connection.is_closed()

    run(test())


def test_a_request_that_drips_is_ended_after_ten_seconds() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(b"GET / HTT")
            await until(lambda: any(one.in_request for one in server.connections))
            pass_seconds(server, http.REQUEST_SECONDS)
            assert server.connections
            pass_seconds(server, http.REQUEST_SECONDS + 1)

            assert (await connection.answer()).status == 408
            assert await connection.is_closed()

    run(test())


def test_an_idle_connection_is_kept_for_a_minute_and_ends_without_a_word() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(GET)
            await connection.answer()
            pass_seconds(server, http.IDLE_SECONDS)
            connection.send(GET)
            await connection.answer()
            pass_seconds(server, http.IDLE_SECONDS + 1)

            assert await connection.is_closed()

    run(test())


def test_a_connection_that_pipelined_is_idle_like_any_other() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as connection:
            connection.send(GET)
            first = await held.requests.get()
            connection.send(GET)  # of its own, so that it comes while the first is owed
            (served,) = server.connections
            await until(lambda: len(served._waiting) == 1)
            first.answer(response(200))
            await held.answer()
            for _ in range(2):
                await connection.answer()

            pass_seconds(server, http.IDLE_SECONDS - 1)
            connection.send(GET)
            await held.answer(b"still there")
            assert (await connection.answer()).body == b"still there"

    run(test())


def test_an_answer_that_is_owed_has_no_deadline_of_the_requests() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as connection:
            connection.send(GET)
            request = await held.requests.get()
            pass_seconds(server, 600)
            request.answer(response(204))

            assert (await connection.answer()).status == 204

    run(test())


def test_a_client_that_does_not_read_its_answer_is_dropped() -> None:
    async def test() -> None:
        big = response(200, b"", b"x" * 50_000_000)
        async with serving(lambda request: big) as server, talk(server.port) as connection:
            connection.send(GET)
            await until(lambda: any(one.write_stuck for one in server.connections))
            pass_seconds(server, http.WRITE_SECONDS + 1)

            await until(lambda: not server.connections)

    run(test())


def test_more_connections_than_there_is_room_for_are_told_to_come_back() -> None:
    async def test() -> None:
        async with serving(most=2) as server, talk(server.port) as one, talk(server.port) as two:
            for connection in (one, two):
                connection.send(GET)
                await connection.answer()
            async with talk(server.port) as three:
                assert (await three.answer()).status == 503
                assert await three.is_closed()

            one.send(GET)
            assert (await one.answer()).status == 200

    run(test())


GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.tuples(st.integers(0, 60), st.integers(0, 255)).map(
        lambda at: (
            b"POST /e/x HTTP/1.1\r\nContent-Length: 5\r\nA: b\r\n\r\nhello"[: at[0]]
            + bytes([at[1]])
            + b"POST /e/x HTTP/1.1\r\nContent-Length: 5\r\nA: b\r\n\r\nhello"[at[0] + 1 :]
        )
    ),
)


@few(max_examples=40, deadline=None)
@given(st.lists(GARBAGE, min_size=1, max_size=10))
def test_no_bytes_break_the_server_for_others(pieces: list[bytes]) -> None:
    bugs: list[None] = []

    async def test() -> None:
        async with serving(on_bug=lambda: bugs.append(None)) as server:
            for piece in pieces:
                async with talk(server.port) as connection:
                    connection.send(piece)
                    await asyncio.sleep(0)
            assert (await ask(server.port, GET)).status == 200

        assert bugs == []

    run(test())
