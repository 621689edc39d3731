"""Why a server would not start, in one sentence that says what to do next."""

import errno
import re
from pathlib import Path

_LIBRARY = re.compile(r"error while loading shared libraries: ([^:\s]+)|Library not loaded: (\S+)")

# Debian's package for the libraries the wheels expect from the system.
_DEBIAN = {"libz.so.1": "zlib1g", "libm.so.6": "libc6", "libc.so.6": "libc6"}


def why(server: str, setting: str, text: str, folder: Path, log: Path) -> str:
    """Explain the end of `server` from its output `text`.

    `setting` is the variable that points to a server elsewhere, the way out of every trouble.
    """
    if missing := _LIBRARY.search(text):
        library = missing[1] or missing[2]
        package = _DEBIAN.get(library, "the system package that brings it")
        return (
            f"{server} needs the shared library {library}, which this system lacks: install"
            f" {package}, or set {setting} to a server elsewhere."
        )
    if "No space left on device" in text:
        return full_disk(folder)
    if "Address already in use" in text or "could not create any TCP/IP sockets" in text:
        return f"{server} found its port taken: run the command again to let it choose another."
    if "could not look up effective user ID" in text:
        return (
            f"{server} needs the current user to have an entry in /etc/passwd: add one, or set"
            f" {setting} to a server elsewhere."
        )
    if "Permission denied" in text:
        return (
            f"{server} may not use {folder}: give that folder to the user who runs Hopfleet,"
            " or choose another with --data-dir."
        )
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "no output")
    return f"{server} ended before it was ready ({last.strip()[:300]}): see {log}."


def of_system_error(server: str, setting: str, error: OSError, folder: Path) -> str:
    """Explain why the program could not even be started."""
    if error.errno == errno.ENOSPC:
        return full_disk(folder)
    if error.errno in (errno.ENOENT, errno.ENOEXEC):
        return (
            f"{server} from the Python package does not run on this system (it needs glibc 2.28"
            f" or newer on x86-64 or ARM64, or macOS): set {setting} to a server elsewhere."
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return (
            f"{server} could not be started ({error.strerror}): run Hopfleet as an ordinary user,"
            f" or set {setting} to a server elsewhere."
        )
    return f"{server} could not be started: {error.strerror}."


def full_disk(folder: Path) -> str:
    """The sentence for a disk without room."""
    return f"The disk that holds {folder} is full: free some space, then start again."
