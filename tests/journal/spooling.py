"""Batches for spools, and what is in their folders afterwards."""

from pathlib import Path

from base.ids import uuid7_hex
from journal.appends import Batch
from journal.spool import Damage, read, segments
from journal.streams import Kind

GIB = 1024**3


def batch(body: bytes = b'[{"type":"click"}]', kind: Kind = Kind.CLICKS) -> Batch:
    return Batch(kind, uuid7_hex(1_795_365_000_000), 1, body, b"1")


def kept(folder: Path) -> list[Batch]:
    """All batches in a folder, in order; none may be damaged."""
    damage = Damage()
    found = [one for segment in segments(folder) for one in read(segment, damage)]
    assert damage.bytes == 0
    return found
