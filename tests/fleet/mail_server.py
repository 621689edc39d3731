"""A real mail server that keeps who was written to, mail by mail, and nothing else."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller

from ops.local.ports import free_port


class Accepted:
    """What the server has answered 250 to: mails by address, and by Message-ID."""

    def __init__(self) -> None:
        self.by_address: Counter[str] = Counter()
        self.by_message: Counter[str] = Counter()
        self.header_names: Counter[str] = Counter()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by aiosmtpd for each mail."""
        text = envelope.content.decode(errors="replace")
        found = [line[11:].strip() for line in text.splitlines() if line.startswith("Message-ID:")]
        self.by_message.update(found[:1])
        head = text.partition("\r\n\r\n")[0].splitlines()
        self.header_names.update(line.partition(":")[0] for line in head if line[:1].strip())
        self.by_address.update(address.lower() for address in envelope.rcpt_tos)
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[tuple[str, Accepted]]:
    """Its address as `HOPFLEET_SMTP_URL` has it, and what it has accepted."""
    accepted, port = Accepted(), free_port()
    controller = Controller(accepted, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}", accepted
    finally:
        controller.stop()
