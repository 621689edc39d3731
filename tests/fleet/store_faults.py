"""What stores do besides dying: stall, fill up, forget, or come back as somebody else."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.fleet.faults import Fault, stopped
from tests.fleet.fleet import Fleet
from tests.fleet.traffic import Traffic
from tests.fleet.wired import Wired, start_volatile

_TORN = b"*3\r\n$3\r\nSET\r\n$26\r\n{hopfleet:jour"  # the beginning of a command


@contextmanager
def full(store: str, fleet: Fleet, _: Traffic) -> Iterator[None]:
    """It has reached `maxmemory`, until an administrator gives it more."""
    assert isinstance(fleet, Wired)
    with fleet.admin(store) as admin:
        most = admin.config_get("maxmemory")["maxmemory"]
        admin.config_set("maxmemory", 1)
        yield
        admin.config_set("maxmemory", most)


@contextmanager
def read_only(store: str, fleet: Fleet, _: Traffic) -> Iterator[None]:
    """It has become a replica, as after a failover, and refuses every write."""
    assert isinstance(fleet, Wired)
    with fleet.admin(store) as admin:
        admin.replicaof("127.0.0.1", "1")
        yield
        admin.replicaof("NO", "ONE")


@contextmanager
def forgetful(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """At the journal's address another server answers, which keeps nothing on disk."""
    assert isinstance(fleet, Wired)
    fleet.kill("journal")
    folder = fleet.folder / "stranger"
    folder.mkdir(exist_ok=True)
    shutil.copy(fleet.stores["journal"].folder / "password", folder)
    stranger = start_volatile(folder, fleet.stores["journal"].port)
    yield
    stranger.kill()
    fleet.start("journal")


@contextmanager
def torn(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """Killed inside a write: behind what was acked its file ends with half a command."""
    fleet.kill("journal")
    yield
    with append_file(fleet).open("ab") as file:
        file.write(_TORN)
    fleet.start("journal")


def append_file(fleet: Fleet) -> Path:
    """The file that the journal appends to."""
    return sorted((fleet.stores["journal"].folder / "appendonlydir").glob("*.incr.aof"))[-1]


@contextmanager
def emptied(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """All that the broker held is gone."""
    assert isinstance(fleet, Wired)
    with fleet.admin("broker") as admin:
        admin.flushall()
    yield


@contextmanager
def no_room(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """The journal is away, and the disk under the spool is full."""
    assert isinstance(fleet, Wired)
    filler = fleet.spool / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(fleet.spool).free)
    fleet.kill("journal")
    yield
    filler.unlink()
    fleet.start("journal")


JOURNAL = (
    Fault("journal full", partial(full, "journal"), 5, 1),
    Fault("journal read-only", partial(read_only, "journal"), 5, 1),
    Fault("journal replaced", forgetful, 5, 1),
    Fault("journal torn", torn),
)
STALLED = (Fault("journal stalled 7 s", partial(stopped, "journal"), 7),)
BROKER = (
    Fault("broker emptied", emptied),
    Fault("broker full", partial(full, "broker"), 5, 1),
    Fault("broker read-only", partial(read_only, "broker"), 5, 1),
)
SPOOL = (Fault("spool disk full", no_room, 5, 1, acks=False),)
