"""UUIDv7 ids (RFC 9562): 48 bits of milliseconds, then randomness; sortable by time."""

import os
from datetime import datetime
from uuid import UUID

from base.clock import from_ms

_POOL_BYTES = 10 * 512  # one system call for 512 ids: urandom alone would cost more than the id
_VERSION_VARIANT = (0x7 << 76) | (0b10 << 62)
YEAR_10000 = "e677d21fdc00"  # the milliseconds where datetime ends
_RANDOM_MASK = (0xFFF << 64) | ((1 << 62) - 1)
_pool = b""
_used = 0


def _forget_pool() -> None:
    """A forked child must not repeat its parent's randomness."""
    global _pool, _used
    _pool, _used = b"", 0


os.register_at_fork(after_in_child=_forget_pool)


def uuid7_hex(ms: int) -> str:
    """A new UUIDv7 at `ms` since 1970 as 32 lower-case hex digits: click ids and batch ids.

    74 random bits from the system: unguessable, and no two alike. Call it from one thread.
    """
    global _pool, _used
    if _used + 10 > len(_pool):
        _pool, _used = os.urandom(_POOL_BYTES), 0
    random = int.from_bytes(_pool[_used : _used + 10])
    _used += 10
    return f"{(ms << 80) | _VERSION_VARIANT | (random & _RANDOM_MASK):032x}"


def ms_of(uuid_hex: str) -> int:
    """The milliseconds since 1970 inside a UUIDv7 given as 32 hex digits."""
    return int(uuid_hex[:12], 16)


def time_of(uuid_hex: str) -> datetime:
    """The moment inside a UUIDv7, aware, in UTC."""
    return from_ms(ms_of(uuid_hex))


def floor_at(moment: datetime) -> UUID:
    """The smallest UUID whose first 48 bits are `moment`: a bound for ranges of UUIDv7."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def is_click_id(text: str) -> bool:
    """Whether `text` looks like a click id: 32 lower-case hex digits of a UUIDv7.

    Its moment is one that can be told: whoever makes one up may not choose the year 10889.
    """
    return (
        len(text) == 32
        and text < YEAR_10000
        and text[12] == "7"
        and text[16] in "89ab"
        and not text.strip("0123456789abcdef")
    )
