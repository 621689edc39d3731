"""What a bad network does: replies that get lost, and wires that are slow, stuck or cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.fleet import wires
from tests.fleet.faults import Fault
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.traffic import Traffic
from tests.fleet.wired import WIRES, Wired
from tests.fleet.wires import Wanted

_SWALLOW_SECONDS = 15
_TIMES = 3  # replies in a row


@contextmanager
def swallowed(
    wire: str, wanted: Wanted, fleet: Fleet, _: Traffic, *, hang: bool = False
) -> Iterator[None]:
    """Replies get lost; the connection breaks in their place, or says nothing any more."""
    assert isinstance(fleet, Wired)
    proxy = fleet.wires[wire]
    before, times = proxy.swallowed, 1 if hang else _TIMES
    proxy.swallow(wanted, times=times, hang=hang)
    yield
    until(lambda: proxy.swallowed == before + times, _SWALLOW_SECONDS, f"{times} replies got lost")
    if not hang:
        proxy.unswallow()


@contextmanager
def cut(wire: str, fleet: Fleet, _: Traffic, *, reset: bool = False) -> Iterator[None]:
    """All connections end; new ones are welcome."""
    assert isinstance(fleet, Wired)
    assert fleet.wires[wire].cut(reset=reset)
    yield


@contextmanager
def refused(wire: str, fleet: Fleet, _: Traffic) -> Iterator[None]:
    """All connections end, and there are no new ones for a while."""
    assert isinstance(fleet, Wired)
    fleet.wires[wire].refuse()
    yield
    fleet.wires[wire].listen()


@contextmanager
def stalled(wire: str, fleet: Fleet, _: Traffic) -> Iterator[None]:
    """Nothing passes, and nobody is told."""
    assert isinstance(fleet, Wired)
    fleet.wires[wire].stall()
    yield
    fleet.wires[wire].flow()


@contextmanager
def slow(
    wire: str, fleet: Fleet, _: Traffic, *, delay_seconds: float = 0.0, rate: float | None = None
) -> Iterator[None]:
    """Every piece is late, or only so many bytes pass in a second."""
    assert isinstance(fleet, Wired)
    proxy = fleet.wires[wire]
    proxy.delay_seconds, proxy.bytes_per_second = delay_seconds, rate
    yield
    proxy.delay_seconds, proxy.bytes_per_second = 0.0, None


_REPLIES: tuple[tuple[str, str, Wanted], ...] = (
    ("XADD", "door-journal", wires.append),
    ("XREADGROUP", "worker-journal", wires.claim),
    ("XACK", "worker-journal", wires.acknowledge),
    ("COMMIT", "worker-postgres", wires.commit_of_rows),
    ("enqueue", "broker", wires.enqueue),
    ("fetch", "broker", wires.fetch),
)
REPLIES = tuple(
    Fault(f"reply to {name} lost", partial(swallowed, wire, wanted), inside=False)
    for name, wire, wanted in _REPLIES
)
SILENCES = tuple(
    Fault(f"no word after {name}", partial(swallowed, wire, wanted, hang=True), inside=False)
    for name, wire, wanted in _REPLIES
)
CUTS = tuple(
    fault
    for wire in WIRES
    for fault in (
        Fault(f"{wire} cut", partial(cut, wire)),
        Fault(f"{wire} reset", partial(cut, wire, reset=True)),
    )
)
AWAY = tuple(
    fault
    for wire in WIRES
    for fault in (
        Fault(f"{wire} refused", partial(refused, wire), 5, 1),
        Fault(f"{wire} stalled", partial(stalled, wire), 7, 1),
    )
)
SLOW = tuple(
    fault
    for wire in WIRES
    for fault in (
        Fault(f"{wire} 300 ms late", partial(slow, wire, delay_seconds=0.3), 5, 0.5),
        Fault(f"{wire} at 20 kB/s", partial(slow, wire, rate=20_000), 5, 0.5),
    )
)
