"""The HTTP server: requests in, answers out in their order."""

import asyncio
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from ingest import http
from ingest.http import Request
from ingest.responses import response, text
from tests.ingest.serving import GET, Held, run, serving, understood, until
from tests.ingest.talking import ask, talk


def test_a_request_is_understood_and_the_connection_kept() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            for _ in range(3):
                connection.send(GET)
                answer = await connection.answer()

                assert orjson.loads(answer.body)["target"] == "/one"
                assert "connection" not in answer.headers
                assert answer.headers["date"].endswith("GMT")

    run(test())


@few(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 78), max_size=6))
def test_a_request_in_pieces_is_the_same_request(cuts: list[int]) -> None:
    whole = b"POST /e/x HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 2\r\nContent-Length: 5\r\n\r\nhello"

    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.writer.get_extra_info("socket").setsockopt(6, 1, 1)  # TCP_NODELAY
            edges = [0, *sorted(set(cuts)), len(whole)]
            for start, end in pairwise(edges):
                connection.send(whole[start:end])
                await asyncio.sleep(0)
            seen = orjson.loads((await connection.answer()).body)

        assert seen["headers"] == {"host": "h", "a": "1, 2", "content-length": "5"}
        assert seen["body"] == "hello"

    run(test())


def test_an_address_beyond_ascii_is_read_in_pieces_and_behind_others() -> None:
    odd = "GET /café?a=é HTTP/1.1\r\nX: é\r\n\r\n".encode()

    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(GET + odd + GET + odd[:8])
            seen = [orjson.loads((await connection.answer()).body) for _ in range(3)]
            connection.send(odd[8:12])
            await asyncio.sleep(0)
            connection.send(odd[12:])
            seen.append(orjson.loads((await connection.answer()).body))

        assert [one["target"] for one in seen] == ["/one", "/caf%C3%A9?a=%C3%A9"] * 2
        assert seen[1]["headers"] == seen[3]["headers"] == {"x": "é".encode().decode("latin-1")}

    run(test())


def test_pipelined_requests_are_answered_in_order_though_answers_come_late() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as connection:
            count = 3 * http.MAX_PIPELINED
            connection.send(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % n for n in range(count)))
            for n in range(count):
                request = await held.answer(b"%d" % n)
                assert request.target == b"/%d" % n
                assert held.requests.empty()  # one at a time

                assert (await connection.answer()).body == b"%d" % n

    run(test())


def test_thousands_of_pipelined_requests_are_no_deep_stack() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(GET * 5_000)
            for _ in range(5_000):
                assert (await connection.answer()).status == 200

    run(test())


def test_requests_of_one_client_do_not_wait_for_anothers() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as slow, talk(server.port) as quick:
            slow.send(GET)
            first = await held.requests.get()
            quick.send(GET)
            await held.answer(b"quick")
            assert (await quick.answer()).body == b"quick"
            first.answer(response(200, b"", b"slow"))

            assert (await slow.answer()).body == b"slow"

    run(test())


def test_head_has_the_headers_of_get_and_no_body() -> None:
    async def test() -> None:
        missing = text(404, "There is nothing.")
        async with serving(lambda _: missing) as server, talk(server.port) as connection:
            connection.send(b"HEAD / HTTP/1.1\r\n\r\n" + GET)
            head = await connection.answer(to_head=True)
            get = await connection.answer()

        assert head.headers["content-length"] == get.headers["content-length"] == "18"

    run(test())


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n" + GET,
    ],
)
def test_a_client_that_wants_no_more_gets_its_answer_and_an_end(data: bytes) -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(data)
            answer = await connection.answer()

            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await connection.is_closed()

    run(test())


def test_an_old_client_that_wants_to_stay_may() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            for _ in range(2):
                connection.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                answer = await connection.answer()

                assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")

    run(test())


def test_a_chunked_body_is_one_body() -> None:
    async def test() -> None:
        seen = await understood(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: 1\r\n\r\n"
        )

        assert seen["body"] == "hello world"

    run(test())


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert (await connection.answer()).status == 100
            connection.send(b"hello")

            assert orjson.loads((await connection.answer()).body)["body"] == "hello"

    run(test())


def test_a_client_that_asks_first_with_too_much_is_told_no() -> None:
    async def test() -> None:
        async with serving() as server:
            answer = await ask(
                server.port,
                b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
            )

            assert answer.status == 413

    run(test())


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    ],
)
def test_an_offer_to_speak_something_else_is_passed_over(data: bytes) -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(data + GET)
            targets = [orjson.loads((await connection.answer()).body)["target"] for _ in range(2)]

        assert targets == ["/a", "/one"]

    run(test())


def test_an_offer_to_upgrade_a_request_with_a_body_is_refused_in_one_sentence() -> None:
    """The parser would take the body for the next request."""

    async def test() -> None:
        async with serving() as server, talk(server.port) as connection:
            connection.send(
                b"POST /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                b"Content-Length: 5\r\n\r\nhello" + GET
            )
            answer = await connection.answer()

            assert (answer.status, b"without Upgrade" in answer.body) == (400, True)
            assert await connection.is_closed()

    run(test())


def test_a_bug_in_a_door_is_one_500_and_said_once() -> None:
    bugs: list[None] = []

    def broken(request: Request) -> bytes:
        if request.target == b"/one":
            raise KeyError("secret")
        return response(204)

    async def test() -> None:
        saying = serving(broken, on_bug=lambda: bugs.append(None))
        async with saying as server, talk(server.port) as connection:
            connection.send(GET + b"GET /two HTTP/1.1\r\n\r\n")
            first, second = [await connection.answer() for _ in range(2)]

        assert (first.status, second.status, len(bugs)) == (500, 204, 1)
        assert b"secret" not in first.body

    run(test())


def test_an_answer_to_a_client_that_has_gone_goes_nowhere() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server:
            async with talk(server.port) as connection:
                connection.send(GET)
                request = await held.requests.get()
                connection.writer.transport.abort()

            request.answer(response(204))
            await until(lambda: not server.connections)
            assert (await _ask_held(server, held)).status == 200

    run(test())


def test_a_client_that_has_said_its_last_word_still_gets_its_answer() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as connection:
            connection.send(GET)
            connection.writer.write_eof()
            await held.answer(b"owed")

            assert (await connection.answer()).body == b"owed"
            assert await connection.is_closed()

    run(test())


def test_a_stop_answers_what_is_owed_and_accepts_nothing_more() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as owed, talk(server.port) as idle:
            owed.send(GET)
            request = await held.requests.get()
            await until(lambda: len(server.connections) == 2)
            stopping = asyncio.create_task(server.stop(10))
            assert await idle.is_closed()
            with pytest.raises(ConnectionError):
                await ask(server.port, GET)
            request.answer(response(204))
            answer = await owed.answer()

            assert (answer.status, answer.headers["connection"]) == (204, "close")
            assert await owed.is_closed()
            await stopping

    run(test())


async def _ask_held(server: http.Server, held: Held) -> Any:
    asked = asyncio.create_task(ask(server.port, GET))
    await held.answer()
    return await asked
