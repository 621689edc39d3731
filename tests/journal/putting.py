"""What a door does to the journal, in one call."""

import asyncio

from base.clock import OffsetClock, wall_ms
from base.ids import uuid7_hex
from journal.appends import Appender, Batch
from journal.streams import Kind


def batch(
    body: bytes = b"[]", *, kind: Kind = Kind.CLICKS, count: int = 1, version: bytes = b"1",
    ms: int | None = None,
) -> Batch:  # fmt: skip
    """A batch as a door makes it, now unless `ms` says otherwise."""
    return Batch(kind, uuid7_hex(wall_ms() if ms is None else ms), count, body, version)


def put(url: str, *batches: Batch) -> None:
    """Append them, in one step."""

    async def go() -> None:
        appender = Appender(url, OffsetClock(), budget_seconds=5, replicas=0, volatile_ok=True)
        await appender.connect(5)
        try:
            await appender.append(list(batches))
        finally:
            appender.close()

    asyncio.run(go())
