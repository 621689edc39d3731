"""What `doctor` looks at on this host: settings, and the disk under the spool."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import maxminddb
import psutil

from base.settings import settings
from journal import strays
from journal.spool import waiting_bytes
from ops.cli.findings import Finding, broken, warning, well
from ops.local.machine import free_disk_bytes

_FLEETING = frozenset({"tmpfs", "ramfs", "overlay"})
_LEAST_FREE = 1 << 30
_GIB, _MIB = 1 << 30, 1 << 20


def check_settings() -> Iterator[Finding]:
    """What works without being set, but not for long or not for many."""
    chosen = settings()
    if chosen.public_url is None:
        yield warning(
            "public address",
            f"Links begin with {settings().url}: set HOPFLEET_PUBLIC_URL to what visitors reach.",
        )
    else:
        yield well("public address", f"Links begin with {chosen.url}.")
    if chosen.secret_key is None:
        yield warning(
            "secret key",
            f"It lies in {chosen.data_dir / 'secret_key'}: export it as HOPFLEET_SECRET_KEY, so"
            " that every host has the same and a lost disk does not lose it.",
        )
    else:
        yield well("secret key", "It comes from the environment.")
    yield _geo(chosen.geo_file)


def _geo(file: Path | None) -> Finding:
    if file is None:
        return well("countries", "No HOPFLEET_GEO_FILE is set; only a trusted proxy tells them.")
    try:
        with maxminddb.open_database(file) as reader:
            return well("countries", f"{file} is a {reader.metadata().database_type}.")
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        return broken(
            "countries",
            f"{file} cannot be read ({type(error).__name__}): HOPFLEET_GEO_FILE must name a file in"
            " MaxMind's format.",
        )


def check_spool() -> Iterator[Finding]:
    """Where doors keep events while the journal is away: writable, roomy, lasting, empty."""
    root = settings().spool_root.absolute()
    why = _cannot_write(root)
    if why is not None:
        yield broken(
            "spool", f"{root} cannot be written to ({why}): give it to the user of the doors."
        )
        return
    yield _room(root)
    yield _lasting(root)
    yield from _strays(root)
    waiting = waiting_bytes(root)
    if waiting:
        yield warning(
            "spooled events",
            f"{waiting / _MIB:,.1f} MiB wait in {root}: they move to the journal when it answers"
            " and `hopfleet ingest` runs here.",
        )
    else:
        yield well("spooled events", "None wait.")


def _cannot_write(root: Path) -> str | None:
    """Why nothing can be kept there; a folder that is not there yet is judged by its parent."""
    while not root.exists() and root != root.parent:
        root = root.parent
    probe = root / f".doctor-{secrets.token_hex(4)}"
    try:
        with probe.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _strays(root: Path) -> Iterator[Finding]:
    if left := strays.abandoned(root):
        yield warning(
            "spool folders",
            f"{len(left)} with events belong to no door that runs: start `hopfleet ingest` here,"
            " it moves them to the journal.",
        )
    if left := strays.damaged(root):
        yield warning(
            "damaged segments",
            f"{len(left)} of the spool could not be read to the end, {left[0]} for one: what could"
            " be read is in the journal; have somebody look at the disk, then delete them.",
        )


def _room(root: Path) -> Finding:
    free = free_disk_bytes(root)
    bound = min(settings().spool_max_bytes, free // 5)
    says = f"{root} can be written to; {free / _GIB:,.1f} GiB are free"
    if free < _LEAST_FREE:
        return warning("spool", f"{says}, which is little: make room.")
    return well("spool", f"{says}, of which it takes {bound / _GIB:,.1f} GiB at most.")


def _lasting(root: Path) -> Finding:
    kind = _filesystem(root)
    if kind in _FLEETING:
        return warning(
            "spool's disk",
            f"It is {kind}, which ends with the machine or the container: put a volume there, or"
            " set HOPFLEET_SPOOL_DIR.",
        )
    return well("spool's disk", f"It is {kind or 'of a kind the system does not tell'}.")


def _filesystem(path: Path) -> str:
    """The kind of file system a path is on, by the longest mount point above it."""
    found = ("", "")
    for mount in psutil.disk_partitions(all=True):
        if path.is_relative_to(mount.mountpoint) and len(mount.mountpoint) >= len(found[0]):
            found = (mount.mountpoint, mount.fstype)
    return found[1]
