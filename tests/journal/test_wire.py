"""The wire to Redis: replies in order, errors as values, and no waiting past a budget."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import hiredis
import pytest

from base.clock import steady
from base.errors import StoreAway
from journal import wire
from tests.journal.conftest import Behaviour, StartValkey, strange_redis

PONG = b"+PONG\r\n"


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; nothing it started may be left over."""

    async def whole() -> None:
        await test
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(whole())


async def told(server: str, budget: float = 0.1) -> wire.Wire:
    return await wire.connect(server, budget)


def after_pong(then: Behaviour) -> Behaviour:
    """A server that lets us in and only then becomes strange."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(PONG)
        await reader.read(1000)
        await then(reader, writer)

    return behave


async def _stall(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"*3\r\n:1\r\n$100\r\nhalf of")
    await writer.drain()


async def _hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    pass


async def _garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await asyncio.Event().wait()


async def _drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"+" + b"x" * 100:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)


STRANGE = [
    (_stall, "did not answer within 100 ms"),
    (_cut, "closed the connection"),
    (_hang_up, "closed the connection"),
    (_garbage, "not its protocol"),
    (_drip, "did not answer within 100 ms"),
]


def test_many_commands_are_one_round_trip_and_their_replies_are_in_order(
    start_valkey: StartValkey,
) -> None:
    url = start_valkey().url

    async def test() -> None:
        connection = await wire.connect(url, 2)
        replies = await connection.call(
            [("SET", "k", b"\x00\xff"), ("GET", "k"), ("INCRBY", "n", 5), ("GET", "none")], 2
        )
        connection.close()

        assert replies == [b"OK", b"\x00\xff", 5, None] or replies == ["OK", b"\x00\xff", 5, None]
        assert not connection.open

    run(test())


def test_an_error_is_a_value_and_harms_no_neighbour(start_valkey: StartValkey) -> None:
    url = start_valkey().url

    async def test() -> None:
        connection = await wire.connect(url, 2)
        wrong, right = await connection.call([("NOSUCH",), ("ECHO", "here")], 2)

        assert isinstance(wrong, hiredis.ReplyError)
        assert right == b"here"
        assert connection.open
        connection.close()

    run(test())


def test_calls_that_overlap_get_their_own_replies(start_valkey: StartValkey) -> None:
    url = start_valkey().url

    async def test() -> None:
        connection = await wire.connect(url, 2)
        replies = await asyncio.gather(
            *[connection.call([("ECHO", str(n)), ("ECHO", f"{n}!")], 2) for n in range(100)]
        )
        connection.close()

        assert replies == [[str(n).encode(), f"{n}!".encode()] for n in range(100)]

    run(test())


@pytest.mark.parametrize(("behave", "sentence"), STRANGE)
def test_a_server_that_misbehaves_costs_its_budget_and_the_connection(
    behave: Behaviour, sentence: str
) -> None:
    async def test() -> None:
        async with strange_redis(after_pong(behave)) as url:
            connection = await told(url)
            began = steady()
            with pytest.raises(StoreAway, match=sentence):
                await connection.call([("PING",)], 0.1)

            assert steady() - began < 1
            assert not connection.open
            with pytest.raises(StoreAway, match="closed"):
                await connection.call([("PING",)], 0.1)

    run(test())


@pytest.mark.parametrize("behave", [one for one, _ in STRANGE])
def test_a_server_that_misbehaves_at_once_cannot_be_reached(behave: Behaviour) -> None:
    async def test() -> None:
        async with strange_redis(behave) as url:
            with pytest.raises(StoreAway):
                await told(url)

    run(test())


def test_a_late_reply_is_never_taken_for_the_next_commands() -> None:
    release = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(b"$5\r\nfirst\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async def test() -> None:
        async with strange_redis(after_pong(late)) as url:
            connection = await told(url)
            with pytest.raises(StoreAway):
                await connection.call([("ECHO", "first")], 0.05)
            release.set()

            with pytest.raises(StoreAway):
                await connection.call([("ECHO", "second")], 0.05)

    run(test())


def test_a_call_that_is_given_up_closes_the_connection() -> None:
    async def test() -> None:
        async with strange_redis(after_pong(_stall)) as url:
            connection = await told(url)
            call = asyncio.create_task(connection.call([("PING",)], 60))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

            assert not connection.open

    run(test())


def test_one_failure_fails_every_call_that_waits() -> None:
    async def test() -> None:
        async with strange_redis(after_pong(_hang_up)) as url:
            connection = await told(url)
            ends = await asyncio.gather(
                *[connection.call([("PING",)], 5) for _ in range(5)], return_exceptions=True
            )

        assert all(isinstance(end, StoreAway) for end in ends)

    run(test())


def test_nobody_listening_is_a_store_that_is_away(tmp_path: Any) -> None:
    async def test() -> None:
        for url in ("redis://127.0.0.1:1/0", f"unix://{tmp_path}/nothing"):
            with pytest.raises(StoreAway, match="cannot be reached"):
                await told(url)

    run(test())


def test_a_socket_file_and_a_database_number_are_understood(start_valkey: StartValkey) -> None:
    server = start_valkey()

    async def test() -> None:
        connection = await wire.connect(f"unix://{server.socket}?db=3", 2)
        await connection.call([("SET", "where", "three")], 2)
        connection.close()

    run(test())

    with server.database(3) as client:
        assert client.get("where") == b"three"


@pytest.mark.parametrize("login", ["door:secret@", ":old@"])
def test_it_logs_in_with_and_without_a_name(start_valkey: StartValkey, login: str) -> None:
    server = start_valkey("requirepass old", "user door on >secret ~* &* +@all")
    url = server.url.replace("redis://", f"redis://{login}")

    async def test() -> None:
        connection = await wire.connect(url, 2)
        (name,) = await connection.call([("ACL", "WHOAMI")], 2)
        connection.close()

        assert name == (b"door" if login.startswith("door") else b"default")

    run(test())


@pytest.mark.parametrize("login", ["", "door:wrong@", "nobody:secret@"])
def test_a_wrong_login_is_refused_without_saying_the_password(
    start_valkey: StartValkey, login: str
) -> None:
    server = start_valkey("user default off", "user door on >secret ~* &* +@all")
    url = server.url.replace("redis://", f"redis://{login}")

    async def test() -> None:
        with pytest.raises(StoreAway, match="refused the connection") as caught:
            await told(url, 2)

        assert not re.search("secret|wrong", str(caught.value))

    run(test())
