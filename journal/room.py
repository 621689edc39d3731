"""How full the journal's server is, and what ends its room first."""

import os
from contextlib import suppress
from typing import Any, NamedTuple, cast

import redis

from base.errors import StoreAway
from journal.claims import client

# Without a limit of its own it may take the machine's memory, but a rewrite of its log needs
# some for a while, and so does everybody else.
_MEMORY_SHARE = 0.8
# On disk an event takes its room up to three times: the log grows to twice what is kept before it
# is rewritten, and the new one stands beside the old until it is whole.
_TIMES_ON_DISK = 3


class Room(NamedTuple):
    """Bytes in use, how many may be, and what says so."""

    used_bytes: int
    bound_bytes: int
    bound: str


def room() -> Room:
    """Ask the server; raises `StoreAway`, also when it may not be asked."""
    try:
        memory = client().info("memory")
        folder = _folder()
    except (redis.RedisError, OSError) as error:
        raise StoreAway("The journal does not say how full it is.") from error
    used = int(memory["used_memory"])
    if most := int(memory.get("maxmemory", 0)):
        bounds = [(most, "its maxmemory")]
    else:
        bounds = [(int(memory["total_system_memory"] * _MEMORY_SHARE), "its machine's memory")]
    if folder is not None:
        with suppress(OSError):
            disk = os.statvfs(folder)
            bounds.append((used + disk.f_bavail * disk.f_frsize // _TIMES_ON_DISK, "its disk"))
    return Room(used, *min(bounds))


def _folder() -> str | None:
    """Where its log lies, when that is on this host and it lets us know."""
    try:
        told = cast(dict[str, str], client().config_get("dir", "appenddirname"))
    except redis.ResponseError:
        return None
    folder = os.path.join(*(_text(told.get(name, "")) for name in ("dir", "appenddirname")))
    # Another host may well have a folder of that name, but hardly a log in it.
    return folder if _text(told.get("appenddirname", "")) and os.path.isdir(folder) else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
