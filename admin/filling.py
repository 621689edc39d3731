"""How long until the journal and this process's spool are full, at the rate of the last minute."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client.core import Metric

from admin.growth import NOISE_BYTES, Growth, seconds_left
from admin.lookout import Lookout
from admin.numbers import gauge
from base.clock import steady
from base.errors import StoreAway
from journal.room import Room, room

SAMPLE_SECONDS = 5.0


class Filling(NamedTuple):
    """How full something is; `full_seconds` is infinite while it does not grow."""

    room: Room
    full_seconds: float | None  # None: not known yet


class Gauge:
    """Looks at the room of something again and again."""

    def __init__(self, name: str, look: Callable[[], Room], noise_bytes: int) -> None:
        self._name = name
        self._room = look
        self._growth = Growth(noise_bytes)
        self.lookout = Lookout(name, self.look, (StoreAway, OSError), SAMPLE_SECONDS)

    def look(self) -> Filling:
        """One more sample; raises what the look raises."""
        now = self._room()
        self._growth.add(steady(), now.used_bytes)
        rate = self._growth.per_second()
        left = None if rate is None else seconds_left(now.used_bytes, now.bound_bytes, rate)
        return Filling(now, left)

    def collect(self) -> Iterator[Metric]:
        """Its three numbers; none while it cannot be asked."""
        if (seen := self.lookout.see()) is None:
            return
        name, now = self._name, seen.room
        yield gauge(f"hopfleet_{name}_bytes", f"Bytes the {name} takes.", now.used_bytes)
        yield gauge(f"hopfleet_{name}_bound_bytes", f"Bytes the {name} may take.", now.bound_bytes)
        if seen.full_seconds is not None:
            yield gauge(
                f"hopfleet_{name}_full_seconds",
                f"Seconds until the {name} is full at the rate of the last minute; +Inf: it does"
                " not fill.",
                seen.full_seconds,
            )


def journal() -> Gauge:
    """The journal's server."""
    return Gauge("journal", room, NOISE_BYTES)


def spool(look: Callable[[], Room]) -> Gauge:
    """A spool: every byte in it waits."""
    return Gauge("spool", look, 0)
