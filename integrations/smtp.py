"""SMTP: hands mails to a server and says in one word what became of each."""

import asyncio
import ssl
from contextlib import suppress
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPConnectResponseError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from base.errors import Misused
from integrations.guard import Blocked, Guard

Security = Literal["none", "starttls", "tls"]
# `unknown`: the connection was lost when the server may already have taken the mail.
Outcome = Literal["accepted", "refused", "deferred", "unreachable", "unknown"]

CONNECT_SECONDS = 10.0
_MOST_SAID = 500
_CLOSING = 421  # the server ends the connection: it refuses nothing
_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}


class Server(NamedTuple):
    """Where a mail server is, and as whom we speak to it."""

    host: str
    port: int
    security: Security = "none"
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Server({self.name})"

    @property
    def name(self) -> str:
        """What people call it: no password, no user."""
        return f"{self.host}:{self.port}"


class Answer(NamedTuple):
    """What became of a mail, and what the server said to it."""

    outcome: Outcome
    code: int | None
    said: str


def server_of(url: str) -> Server:
    """The server of an address such as `smtp://user:password@host:587?starttls=1`.

    Raises `Misused`, without the address: it holds a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        asked = parse_qs(parts.query)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise Misused(
            "HOPFLEET_SMTP_URL is no address of a mail server: it looks like"
            " smtp://user:password@mail.example.com:587?starttls=1, or smtps://…:465."
        )
    security: Security = "none"
    if parts.scheme == "smtps":
        security = "tls"
    elif asked.get("starttls", ["0"])[0] in ("1", "true", "yes"):
        security = "starttls"
    return Server(
        parts.hostname,
        port or _PORTS[security],
        security,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


class Line:
    """One connection to one server, kept for the mails to come; used by one task at a time."""

    def __init__(self, server: Server, seconds: float, guard: Guard | None = None) -> None:
        """`seconds` is how long each answer may take; twice that for the end of a mail.

        A guard keeps servers that users have named out of our own network.
        """
        self.server = server
        self._guard = guard
        self._seconds = seconds
        self._client: SMTP | None = None
        self._transport: asyncio.BaseTransport | None = None  # also once the client let go of it

    async def send(self, sender: str, recipient: str, message: bytes) -> Answer:
        """Hand over one mail; never raises but for a fault of ours, or when cancelled.

        Once it has raised, the connection is gone.
        """
        try:
            return await self._send(sender, recipient, message)
        except BaseException:
            self._drop()
            raise

    async def _send(self, sender: str, recipient: str, message: bytes) -> Answer:
        had_one = self._client is not None
        answer = await self._try(sender, recipient, message)
        if had_one and answer.outcome == "deferred" and answer.code in (None, _CLOSING):
            # The server had ended a connection that it had kept long enough: nothing was tried.
            await self.close()
            answer = await self._try(sender, recipient, message)
        if answer.outcome not in ("accepted", "refused") or answer.code is None:
            await self.close()
        return answer

    async def _try(self, sender: str, recipient: str, message: bytes) -> Answer:
        try:
            client = await self._connected()
        except Blocked as error:
            return Answer("refused", None, f"{self.server.host}: {error}")
        except (SMTPException, OSError, ssl.SSLError, ValueError) as error:
            await self.close()
            code = error.code if isinstance(error, SMTPResponseException) else None
            return Answer("unreachable", code, _said(error))
        try:
            await client.mail(sender)
            await client.rcpt(recipient)
        except SMTPResponseException as error:
            await self._reset(client)
            return _refusal(error)
        except (SMTPException, OSError) as error:
            return Answer("deferred", None, _said(error))
        try:
            done = await client.data(message, timeout=2 * self._seconds)
        except SMTPResponseException as error:
            await self._reset(client)
            return _refusal(error)
        except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
            return Answer("unknown", None, _said(error))
        return Answer("accepted", done.code, done.message[:_MOST_SAID])

    async def _connected(self) -> SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        await self.close()  # one that the server has ended still holds its socket
        server, limit = self.server, min(self._seconds, CONNECT_SECONDS)
        dialled = await self._guard.dial(server.host, server.port, limit) if self._guard else None
        client = SMTP(
            hostname=server.host,
            port=server.port if dialled is None else None,
            sock=dialled,
            username=server.user,
            password=server.password if server.user else None,
            timeout=self._seconds,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
        )
        self._client = client
        await client.connect(timeout=limit)
        self._transport = client.transport
        client.timeout = self._seconds
        return client

    async def _reset(self, client: SMTP) -> None:
        """Ready for the next mail after one that was refused."""
        try:
            await client.rset()
        except (SMTPException, OSError):
            await self.close()

    async def close(self) -> None:
        """End the connection, politely where that costs nothing; another is made when needed."""
        client = self._client
        try:
            if client is not None and client.is_connected:
                with suppress(SMTPException, OSError, ValueError):
                    await client.quit(timeout=1)
        finally:
            self._drop()
        await asyncio.sleep(0)  # the loop closes the socket in its next round

    def _drop(self) -> None:
        """Let go of the connection, also where bytes wait for a server that reads none."""
        client, self._client = self._client, None
        transport, self._transport = self._transport, None
        if client is not None:
            client.close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


def _refusal(error: SMTPResponseException) -> Answer:
    """A server's no: for now, or for good; anything that is no 5xx may yet become a yes."""
    for_good = 500 <= error.code < 600 and not isinstance(error, SMTPConnectResponseError)
    return Answer("refused" if for_good else "deferred", error.code, _said(error))


def _said(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"[:_MOST_SAID]
    return (str(error) or type(error).__name__)[:_MOST_SAID]
