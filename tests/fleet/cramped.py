"""A fleet whose PostgreSQL has a small disk of its own, and the fault of filling it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ops.local.servers import forget
from tests.fleet.faults import Fault
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.traffic import Traffic

_MIB = 600  # the cluster, a checkpoint's worth of write-ahead log, and the rows of a long run


class Cramped(Fleet):
    """PostgreSQL's whole folder, write-ahead log included, lies in a tmpfs."""

    @property
    def disk(self) -> Path:
        """Where the small disk is mounted."""
        return self.folder / "postgres"

    def _start(self) -> None:
        self.disk.mkdir()
        argv = ["mount", "-t", "tmpfs", "-o", f"size={_MIB}m,mode=711", "none", str(self.disk)]
        if os.geteuid() != 0 or subprocess.run(argv, capture_output=True).returncode:
            pytest.skip("only root may mount a small disk, and not everywhere")
        super()._start()

    def end(self) -> None:
        """End everything, unmount, and remove the folder."""
        super().end()
        subprocess.run(["umount", "-l", str(self.disk)], capture_output=True)
        forget(self.folder)


@contextmanager
def _full(fleet: Fleet, _: Traffic) -> Iterator[None]:
    """Not a byte is left, and PostgreSQL has noticed."""
    fleet.sql("CHECKPOINT")  # what the last round has written may be recycled
    store, worker = fleet.stores["postgres"], fleet.programs["worker"]
    said = len(worker.said(0))
    ballast = store.folder / "ballast"
    try:
        _fill(ballast)
        until(
            # It ends when even its write-ahead log cannot grow.
            lambda: '"reason":"DiskFull"' in worker.said(said) or store.process.poll() is not None,
            20, "PostgreSQL finds its disk full",
        )  # fmt: skip
        yield
    finally:
        ballast.unlink()
        if store.process.poll() is not None:
            fleet.start("postgres")


def _fill(ballast: Path) -> None:
    """Take what is free, to the last page: the server may free some at the same moment."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass


DISK = (Fault("disk of PostgreSQL full", _full, 10, 2, inside=False),)
