"""What a door does to the journal, in one call, and what stands there afterwards."""

import asyncio
from typing import Any

from base.clock import OffsetClock, wall_ms
from base.ids import uuid7_hex
from journal import claims
from journal.appends import Appender, Batch
from journal.claims import Consumer
from journal.streams import PROBE_KEY, Kind, items_key, stream
from schemas.items import Item, unpack


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


def consumer(kind: Kind = Kind.CLICKS) -> Consumer:
    """A consumer that nobody has heard of before."""
    return Consumer(kind, claims.consumer_name())


def empty() -> None:
    """Take everything out of the journal that `settings` names."""
    claims.client().delete(PROBE_KEY, *map(stream, Kind), *map(items_key, Kind))


def items(kind: Kind = Kind.CLICKS) -> list[Item]:
    """All items that wait in one stream of the journal, in order."""
    found: Any = claims.client().xrange(stream(kind))
    return [item for _, fields in found for item in unpack(fields[b"b"])]


def batches(kind: Kind = Kind.CLICKS) -> list[tuple[str, int]]:
    """The batches that wait in one stream: their ids and how many items each has."""
    found: Any = claims.client().xrange(stream(kind))
    return [(fields[b"id"].decode(), int(fields[b"n"])) for _, fields in found]
