"""What the journal's server says of itself: its version, its clock, whether it may be trusted."""

import asyncio
from typing import NamedTuple

from base.errors import StoreAway
from journal import wire
from journal.trust import QUESTIONS, doubt


class JournalFacts(NamedTuple):
    """Answers of one moment; `version` as (8, 1, 0), empty when it is not told."""

    product: str  # Redis or Valkey
    version: tuple[int, ...]
    doubt: str | None  # why it may not hold events
    time_ms: float


def ask(url: str, budget_seconds: float) -> JournalFacts:
    """Connect and ask; raises `StoreAway`, and `ValueError` when the address is none."""
    return asyncio.run(_ask(url, budget_seconds))


async def _ask(url: str, budget_seconds: float) -> JournalFacts:
    opened = await wire.connect(url, budget_seconds)
    try:
        config, replication, server, time = await opened.call(
            [*QUESTIONS, ("INFO", "server"), ("TIME",)], budget_seconds
        )
    finally:
        opened.close()
    if isinstance(time, Exception):
        raise StoreAway(f"The journal does not tell the time: {time}")
    product, version = _version(server)
    at = int(time[0]) * 1000 + int(time[1]) / 1000
    return JournalFacts(product, version, doubt(config, replication), at)


def _version(reply: object) -> tuple[str, tuple[int, ...]]:
    text = reply.decode() if isinstance(reply, bytes) else ""
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    product = "Valkey" if "valkey_version" in found else "Redis"
    version = found.get("valkey_version") or found.get("redis_version") or ""
    return product, tuple(int(part) for part in version.split(".") if part.isdigit())
