"""A server that stops leaves nobody who came in, or was coming in, without an answer."""

import asyncio
import socket
from contextlib import ExitStack

import pytest

from ingest import http, listening
from ingest.responses import response
from tests.ingest.serving import GET, Held, echo, run, serving
from tests.ingest.talking import ask, talk

VISITORS = 64


@pytest.mark.parametrize("used", [True, False], ids=["kept alive", "fresh"])
def test_a_request_on_its_way_when_the_word_came_is_answered(used: bool) -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as visitor:
            if used:
                visitor.send(GET)
                await visitor.answer()
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(2 * listening.LOCAL_THRESHOLD_SECONDS)
            visitor.send(GET)
            answer = await visitor.answer()
            await stopping

            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await visitor.is_closed()

    run(test())


def test_requests_that_had_come_in_together_are_all_answered() -> None:
    held = Held()

    async def test() -> None:
        async with serving(held) as server, talk(server.port) as visitor:
            visitor.send(GET * 3)
            first = await held.requests.get()
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(0)
            first.answer(response(204))
            await held.answer()
            await held.answer()
            answers = [await visitor.answer() for _ in range(3)]
            await stopping

            assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]

    run(test())


def test_a_request_of_which_a_part_is_here_is_waited_for() -> None:
    async def test() -> None:
        async with serving() as server, talk(server.port) as visitor:
            visitor.send(GET[:10])
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(http.LINGER_SECONDS * 1.2)
            visitor.send(GET[10:])
            answer = await visitor.answer()
            await stopping

            assert answer.status == 200

    run(test())


def test_visitors_on_the_threshold_are_let_in_and_newcomers_find_another_door() -> None:
    async def test() -> None:
        async with serving() as leaving:
            staying = await http.serve(echo, "127.0.0.1", leaving.port)
            with ExitStack() as stack:
                # The kernel has made these connections; neither server has looked yet.
                threshold = [_connect(leaving.port, stack) for _ in range(VISITORS)]
                stopping = asyncio.create_task(leaving.stop())
                await asyncio.sleep(0)
                newcomers = [_status(leaving.port) for _ in range(VISITORS)]
                inside = [_whole(each) for each in threshold]
                statuses = await asyncio.gather(*inside, *newcomers)
            await stopping
            await staying.stop(0.2)

            assert statuses == [200] * 2 * VISITORS

    run(test())


def _connect(port: int, stack: ExitStack) -> socket.socket:
    made = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    made.setblocking(False)
    return made


async def _status(port: int) -> int:
    return (await ask(port, GET)).status


async def _whole(visitor: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(visitor, GET)
    return int((await loop.sock_recv(visitor, 4096)).split(b" ", 2)[1])
