"""An asyncio connection to Redis: pipelined commands in, replies out, a deadline on each call.

Small on purpose: a door needs one append at a time, with a hard budget, at a tenth of what a
general client costs. hiredis packs and parses; addresses are read by redis-py, TLS included.
"""

import asyncio
import ssl
from collections import deque
from typing import Any

import hiredis
from redis.asyncio.connection import parse_url

from base.errors import StoreAway

Command = tuple[bytes | str | int | float, ...]


def _pack(command: Command) -> bytes:
    # hiredis' stub means a tuple of any length.
    return bytes(hiredis.pack_command(command))  # type: ignore[arg-type]


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[int, list[Any], asyncio.Future[list[Any]]]] = deque()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while self._waiting:
            wanted, replies, future = self._waiting[0]
            while len(replies) < wanted:
                try:
                    reply = self._reader.gets()
                except hiredis.ProtocolError as error:
                    self.fail(StoreAway(f"Redis sent what is not its protocol: {error}"))
                    return
                if reply is False:
                    return
                replies.append(reply)
            self._waiting.popleft()
            if not future.done():
                future.set_result(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(StoreAway("Redis closed the connection."))

    def send(self, packed: bytes, wanted: int) -> asyncio.Future[list[Any]]:
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            future.set_exception(StoreAway("The connection to Redis is closed."))
            return future
        self._waiting.append((wanted, [], future))
        self.transport.write(packed)
        return future

    def fail(self, error: StoreAway) -> None:
        """Whatever is still owed can no longer be matched to its command."""
        waiting, self._waiting = self._waiting, deque()
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(error)
        if self.transport is not None:
            self.transport.abort()


class Wire:
    """One open connection; made by `connect`, of no more use after any `StoreAway`."""

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol

    async def call(self, commands: list[Command], budget_seconds: float) -> list[Any]:
        """Send several commands at once; their replies in order, errors as values.

        Raises `StoreAway` after the budget or when the connection breaks; the commands may
        or may not have run then, and the connection is closed, since a late reply would be
        taken for the next command's.
        """
        packed = b"".join([_pack(command) for command in commands])
        future = self._protocol.send(packed, len(commands))
        try:
            async with asyncio.timeout(budget_seconds):
                return await future
        except TimeoutError:
            error = StoreAway(f"Redis did not answer within {budget_seconds * 1000:.0f} ms.")
            self._protocol.fail(error)
            raise error from None
        except asyncio.CancelledError:
            self._protocol.fail(StoreAway("The call was given up."))
            raise

    def close(self) -> None:
        """Hang up; safe to call twice."""
        self._protocol.fail(StoreAway("The connection to Redis was closed by us."))

    @property
    def open(self) -> bool:
        """Whether commands can still be sent."""
        return not self._protocol.transport.is_closing()


async def connect(url: str, budget_seconds: float) -> Wire:
    """Connect and log in to `redis://`, `rediss://` or `unix://`; raises `StoreAway`."""
    where = parse_url(url)
    try:
        async with asyncio.timeout(budget_seconds):
            wire = Wire(await _open(url, where))
            commands: list[Command] = []
            if where.get("password"):
                login = (where["username"],) if where.get("username") else ()
                commands.append(("AUTH", *login, where["password"]))
            if where.get("db"):
                commands.append(("SELECT", where["db"]))
            commands.append(("PING",))
            replies = await wire.call(commands, budget_seconds)
    except (OSError, TimeoutError) as error:
        raise StoreAway("Redis cannot be reached.") from error
    for reply in replies:
        if isinstance(reply, Exception):
            wire.close()
            raise StoreAway(f"Redis refused the connection: {reply}")
    return wire


async def _open(url: str, where: Any) -> _Protocol:
    loop = asyncio.get_running_loop()
    if "path" in where:
        return (await loop.create_unix_connection(_Protocol, where["path"]))[1]
    tls = None
    if url.startswith("rediss:"):
        tls = ssl.create_default_context(cafile=where.get("ssl_ca_certs"))
        if where.get("ssl_cert_reqs") == "none":
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    host, port = where.get("host", "localhost"), where.get("port", 6379)
    return (await loop.create_connection(_Protocol, host, port, ssl=tls))[1]
