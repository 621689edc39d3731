"""Marks in a stream: what waited at one moment, and how much of that is still there."""

from typing import Any, NamedTuple, cast

import redis

from base.errors import StoreAway
from journal.claims import client
from journal.streams import Kind, items_key, stream

# Its length, how many entries it ever had, the first that is there, and the last it ever had.
_ENDS = """
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, '', '', '0'} end
local told = redis.call('XINFO', 'STREAM', KEYS[1])
local found = {}
for i = 1, #told, 2 do found[told[i]] = told[i + 1] end
local first = found['first-entry'] and found['first-entry'][1] or ''
return {found['length'], found['entries-added'], first, found['last-generated-id'],
        redis.call('GET', KEYS[2]) or '0'}
"""


class Mark(NamedTuple):
    """All up to the entry `last`: so many batches and items, after `added` entries ever."""

    last: str
    batches: int
    added: int
    items: int


def mark(kind: Kind) -> Mark | None:
    """What waits now, claimed or not; None when nothing does. Raises `StoreAway`."""
    length, added, _, last, items = _ends(kind)
    return Mark(last.decode(), length, added, int(items)) if length else None


def left(kind: Kind, there: Mark) -> int:
    """About how many items up to a mark are left, 0 only when none is; raises `StoreAway`.

    Batches are of all sizes, and what came since may have gone before.
    """
    length, added, first, _, _ = _ends(kind)
    if not first or _place(first) > _place(there.last.encode()):
        return 0
    batches = max(1, length - max(0, added - there.added))
    return max(1, min(there.items, there.items * batches // max(1, there.batches)))


def _place(entry: bytes) -> tuple[int, int]:
    ms, number = entry.split(b"-")
    return int(ms), int(number)


def _ends(kind: Kind) -> tuple[int, int, bytes, bytes, bytes]:
    try:
        keys = [stream(kind), items_key(kind)]
        return tuple(cast(Any, client().register_script(_ENDS)(keys=keys)))
    except (redis.RedisError, OSError) as error:
        raise StoreAway("The journal does not answer.") from error
