"""How long until the journal and the spools of this host are full, for `queues` and `doctor`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from admin import filling
from admin.filling import Filling, Gauge
from base import clock
from base.errors import StoreAway
from base.settings import settings
from journal.room import Room
from journal.spool import share_of_disk, waiting_bytes
from ops.local import asking
from ops.local.asking import Told

MEASURE_SECONDS = 1.0  # when no process of ours is here that has measured for a minute
SOON_SECONDS = 3600.0
_UNITS = ((86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


class Left(NamedTuple):
    """How full one of the two is; `full_seconds` is None while it does not fill."""

    what: str
    used_bytes: int
    bound_bytes: int
    full_seconds: float | None

    def says(self) -> str:
        """`The journal is 3 % full and has room for 12 minutes at the present rate.`"""
        share = f"The {self.what} is {self.used_bytes / max(1, self.bound_bytes):.0%} full"
        if self.full_seconds is None:
            return f"{share} and not filling."
        return f"{share} and has room for {_time(self.full_seconds)} at the present rate."

    def soon(self) -> bool:
        """Whether somebody should look at it now."""
        return self.full_seconds is not None and self.full_seconds < SOON_SECONDS


def read() -> list[Left]:
    """The journal and the spool; one that cannot be asked is missing.

    From processes that run here and have watched for a minute, else by a look of a second.
    """
    told = asking.ask(settings().data_dir)
    found = (
        _told(told, "journal") or _measured("journal", filling.journal),
        _told(told, "spool") or _measured("spool", lambda: filling.spool(_spools)),
    )
    return [each for each in found if each is not None]


def _told(told: list[Told], what: str) -> Left | None:
    found = []
    for each in told:
        names = [f"hopfleet_{what}_{part}" for part in ("bytes", "bound_bytes", "full_seconds")]
        if all(name in each.numbers for name in names):
            used, bound, seconds = (each.numbers[name][()] for name in names)
            found.append(Left(what, int(used), int(bound), _finite(seconds)))
    # Each door has a spool of its own: the one that is full first counts.
    return min(found, key=_urgency, default=None)


def _urgency(left: Left) -> tuple[float, int]:
    return math.inf if left.full_seconds is None else left.full_seconds, -left.used_bytes


def _measured(what: str, make: Callable[[], Gauge]) -> Left | None:
    try:
        gauge = make()
        gauge.look()
        clock.sleep(MEASURE_SECONDS)
        seen: Filling = gauge.look()
    except (StoreAway, OSError, ValueError):
        return None
    return Left(what, seen.room.used_bytes, seen.room.bound_bytes, _finite(seen.full_seconds))


def _spools() -> Room:
    root = settings().spool_root.absolute()
    used = waiting_bytes(root)
    return Room(
        used, min(settings().spool_max_bytes, share_of_disk(_there(root), used)), "its bound"
    )


def _there(folder: Path) -> Path:
    """The folder, or the first above it that exists."""
    return folder if folder.exists() else _there(folder.parent)


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds, 1)


def _time(seconds: float) -> str:
    size, name = next((unit for unit in _UNITS if seconds >= 2 * unit[0]), _UNITS[-1])
    return f"{seconds / size:,.0f} {name}"
