"""Batches made by hand: what no door would write, or many owners in one append."""

from typing import Any

from base.clock import wall_ms
from base.ids import uuid7_hex
from journal.streams import Kind, items_key, stream
from schemas.items import VERSION
from tests.fleet.fleet import Fleet
from tests.make import Made


def item(campaign: Made, **fields: Any) -> dict[str, Any]:
    """A click on this campaign; any field may be overridden, as an item has it."""
    usual = {
        "id": uuid7_hex(wall_ms()),
        "type": "click",
        "user": str(campaign["user_id"]),
        "campaign": str(campaign["id"]),
        "meta": {},
    }
    return usual | fields


def append(fleet: Fleet, body: bytes, *, count: int = 1, version: bytes = VERSION) -> bytes:
    """Put one batch of clicks into the journal; returns its place in the stream."""
    fields: Any = {"v": version, "id": uuid7_hex(wall_ms()), "n": count, "b": body}
    with fleet.journal() as connection:
        entry: Any = connection.xadd(stream(Kind.CLICKS), fields)
        connection.incrby(items_key(Kind.CLICKS), count)
    return bytes(entry)
