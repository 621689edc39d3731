"""A real mail server that does to each mail what a test has asked for, and keeps what it took."""

import asyncio
import email
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from ops.local.ports import free_port


class Post:
    """`plan` says what happens to the next mails, one word each: an answer's line at RCPT
    (`451 later`), one after the mail (`data 452 full`), `drop` (the connection, after the mail),
    `take` and `hang`; without a word a mail is taken.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.plan: list[str] = []
        self.always: str | None = None
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.offered = 0  # mails that came as far as a recipient
        self.open = 0  # connections
        self.released = asyncio.Event()
        self.release: Callable[[], object] = self.released.set  # mails that hang go on

    @property
    def url(self) -> str:
        """As `HOPFLEET_SMTP_URL` has it."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        """Called by aiosmtpd for each recipient."""
        self.offered += 1
        session.word = self.always or (self.plan.pop(0) if self.plan else "take")
        if session.word[0].isdigit():
            return str(session.word)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by aiosmtpd for each mail."""
        if session.word.startswith("data "):
            return str(session.word[5:])
        if session.word == "hang":
            await self.released.wait()
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        self.recipients += envelope.rcpt_tos
        if session.word == "drop":
            server.transport.abort()
        return "250 taken as 1A2B"

    def ids(self) -> list[str]:
        """The Message-IDs of all mails taken, in their order."""
        return [str(mail["Message-ID"]) for mail in self.mails]


class _Counting(SMTP):
    """Counts connections, from their begin to their end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.event_handler.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.open -= 1
        super().connection_lost(error)


class _Door(Controller):
    def factory(self) -> SMTP:
        return _Counting(self.handler, **self.SMTP_kwargs)


@contextmanager
def post() -> Iterator[Post]:
    """The server, until the end of the block."""
    handler = Post()
    controller = _Door(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    handler.release = lambda: controller.loop.call_soon_threadsafe(handler.released.set)
    try:
        yield handler
    finally:
        handler.release()
        controller.stop()
