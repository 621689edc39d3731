"""The data folder of `hopfleet up`: what lies where in it, and the lock that one `up` holds."""

import errno
import fcntl
import os
from pathlib import Path

from base.errors import HopfleetError
from base.settings import STORES_FILE
from ops.local import reasons
from ops.local.machine import MIB, free_disk_bytes

# A new database takes 70 MiB and its first write-ahead log as much again.
_LEAST_FREE_MIB = 256


class DataFolder:
    """The folder's places; `lock` takes it until this process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.stores_file = self.path / STORES_FILE
        self.children_file = self.path / "children.json"
        self.demo_file = self.path / "demo.json"
        self.demo_key_file = self.path / "demo-key"
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder when it is missing, and lock it; raises with one sentence."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.logs.chmod(0o700)
            # Nobody else may list it; root's PostgreSQL, an unprivileged user, passes through.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HopfleetError(self._cannot_be_used(error)) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HopfleetError(
                f"Hopfleet already runs on {self.path}{self._by_whom()}: stop it first, or choose"
                " another folder with --data-dir."
            ) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def require_space(self) -> None:
        """Raise with one sentence when too little of the disk is free to start."""
        if free_disk_bytes(self.path) < _LEAST_FREE_MIB * MIB:
            raise HopfleetError(reasons.full_disk(self.path))

    def log(self, name: str) -> Path:
        """Where the output of the child called `name` goes."""
        return self.logs / f"{name}.log"

    def _by_whom(self) -> str:
        assert self._lock is not None
        pid = os.pread(self._lock, 20, 0).decode()
        return f" (process {pid})" if pid else ""

    def _cannot_be_used(self, error: OSError) -> str:
        if error.errno == errno.ENOSPC:
            return reasons.full_disk(self.path)
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return (
                f"This user may not write to {self.path}: run Hopfleet as the folder's owner, or"
                " choose another folder with --data-dir."
            )
        return f"{self.path} cannot be used as data folder: {error.strerror}."


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; readers see the old or the new text whole."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
