"""What this machine offers: memory, disk, and whether the embedded servers run on it at all."""

import platform
import shutil
import sys
from importlib import util
from pathlib import Path

import psutil

from base.errors import HopfleetError

MIB = 1024**2
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes() -> int:
    """The memory we may use: the machine's, or the container's when that is less."""
    total = int(psutil.virtual_memory().total)
    for path in _CGROUP_LIMITS:
        try:
            total = min(total, int(path.read_text()))
        except (OSError, ValueError):
            continue  # no such file, or "max"
    return total


def share_mib(part: float, least: int, most: int) -> int:
    """`part` of the memory in MiB, between `least` and `most`."""
    return max(least, min(most, int(memory_bytes() * part / MIB)))


def free_disk_bytes(folder: Path) -> int:
    """Free space where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_platform(setting: str) -> None:
    """Raise `HopfleetError` where the embedded servers cannot run; `setting` is the way out."""
    if sys.platform == "win32":
        raise HopfleetError(
            f"The embedded servers do not run on Windows: use WSL, or set {setting} to a server"
            " elsewhere."
        )
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        raise HopfleetError(
            "The embedded servers need glibc, which this system (musl, for instance Alpine)"
            f" lacks: set {setting} to a server elsewhere."
        )


def package_folder(name: str, setting: str) -> Path:
    """Where an installed package lies, without importing it; raises when it is not."""
    spec = util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise HopfleetError(
            f"The package {name} is not installed: run `make install`, or set {setting} to a"
            " server elsewhere."
        )
    return Path(next(iter(spec.submodule_search_locations)))
