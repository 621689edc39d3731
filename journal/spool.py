"""The spool: a local, append-only, checksummed, fsynced file for when the journal is away.

One folder per process, locked while it lives:

    spool/<name>/lock          flock held by the owner; free means orphan
    spool/<name>/00000001.seg  records: magic, length, crc32, then kind, version, id, count, body
"""

import fcntl
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from base.errors import StoreAway
from base.ids import time_of
from journal.appends import Batch
from journal.room import Room
from journal.streams import Kind

_MAGIC = b"\xf4HF1"  # no JSON and no UTF-8 contains it, so a scan finds the next record
_HEAD = struct.Struct("<4sII")  # magic, payload length, crc32 of the payload
_MOST_RECORD_BYTES = 64 * 1024 * 1024
SEGMENT_BYTES = 16 * 1024 * 1024  # a replay holds one in memory
_FREE_SHARE = 0.2  # of what the disk has free beside it: the spool must not be what fills it


class SpoolFull(StoreAway):
    """The spool has reached its bound, or the disk refuses: nothing more can be kept here.

    `untouched` when not a byte was written, so that nothing of it can turn up later.
    """

    untouched = False


def _encode(batch: Batch) -> bytes:
    meta = f"{batch.kind} {batch.version.decode()} {batch.id} {batch.count}\n".encode()
    payload = meta + batch.body
    return _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def _decode(payload: bytes) -> Batch:
    meta, _, body = payload.partition(b"\n")
    kind, version, batch_id, count = meta.decode().split(" ")
    return Batch(Kind(kind), batch_id, int(count), body, version.encode())


@dataclass
class Damage:
    """What reading a segment passed over; a torn tail alone is what a crash leaves."""

    bytes: int = 0


def read(segment: Path, damage: Damage) -> Iterator[Batch]:
    """The batches of one segment, in order; skips what is torn or corrupt and counts it."""
    data = segment.read_bytes()
    at = 0
    while at < len(data):
        found = data.find(_MAGIC, at)
        if found < 0 or found + _HEAD.size > len(data):
            break
        damage.bytes += found - at
        _, length, crc = _HEAD.unpack_from(data, found)
        payload = data[found + _HEAD.size : found + _HEAD.size + length]
        if length > _MOST_RECORD_BYTES or len(payload) < length or zlib.crc32(payload) != crc:
            damage.bytes += 1
            at = found + 1
            continue
        at = found + _HEAD.size + length
        try:
            batch = _decode(payload)
        except ValueError:
            damage.bytes += _HEAD.size + length  # written by a release we cannot read: kept aside
            continue
        yield batch
    damage.bytes += len(data) - at


class Spool:
    """This process's folder; `append` returns when the batches are on disk.

    Used from one thread at a time (fsync blocks, so never the event loop's).
    """

    def __init__(self, root: Path, name: str, max_bytes: int) -> None:
        self.root = root
        self.folder = root / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.folder)
        if self._lock is None or not (self.folder / "lock").exists():
            raise StoreAway(f"Another process holds the spool folder {self.folder}.")
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._path: Path | None = None
        self._size = 0
        self._next = 1 + max((int(path.stem) for path in segments(self.folder)), default=0)
        self.bytes = sum(path.stat().st_size for path in segments(self.folder))

    def append(self, batches: list[Batch]) -> None:
        """Write and fsync; raises `SpoolFull`. A failed fsync condemns only its segment."""
        data = b"".join([_encode(batch) for batch in batches])
        try:
            if self.bytes + len(data) > self._bound():
                full = SpoolFull("The spool is full.")
                full.untouched = True
                raise full
            self._write(data)
        except OSError:
            # What the kernel could not write once it may drop silently the next time: a fresh
            # segment tells whether the disk works at all.
            self.seal()
            try:
                self._write(data)
            except OSError as error:
                self.seal()
                raise SpoolFull(f"The spool's disk refuses: {error.strerror}.") from error

    def room(self) -> Room:
        """How full it is; raises OSError."""
        return Room(self.bytes, self._bound(), "its bound")

    def _bound(self) -> int:
        return min(self._max_bytes, share_of_disk(self.folder, self.bytes))

    def _write(self, data: bytes) -> None:
        if self._file is None or self._size >= SEGMENT_BYTES:
            self.seal()
            self._open()
        assert self._file is not None
        view = memoryview(data)
        while view:
            count = os.write(self._file, view)
            view = view[count:]
            self._size += count
            self.bytes += count  # what a failed write leaves takes room, too
        _sync(self._file)

    def _open(self) -> None:
        self._path = self.folder / f"{self._next:08d}.seg"
        self._next += 1
        self._size = 0
        self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        # The name must be as durable as what is in it.
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def seal(self) -> None:
        """Close the open segment; the next append begins a new one."""
        file, self._file, self._path = self._file, None, None
        if file is not None:
            with suppress(OSError):  # what it has to say was said at the fsync
                os.close(file)

    def sealed(self) -> list[Path]:
        """The segments that will not grow any more, oldest first."""
        return [path for path in segments(self.folder) if path != self._path]

    def forget(self, segment: Path, damage: Damage) -> None:
        """Delete a segment whose every batch is in the journal; keep it aside if damaged."""
        self.bytes -= drop(segment, damage)

    def close(self) -> None:
        """Give the folder up; an empty one is removed, a full one is adopted by another door."""
        self.seal()
        if _is_empty(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def share_of_disk(folder: Path, used: int) -> int:
    """Bytes a spool may take of its disk, of which it has taken `used`; raises OSError.

    Reckoned with what was free without it: a fifth of what is left again and again is all.
    """
    return int((shutil.disk_usage(folder).free + used) * _FREE_SHARE)


def segments(folder: Path) -> list[Path]:
    """The segments in a spool folder, oldest first."""
    return sorted(folder.glob("*.seg"))


def _is_empty(folder: Path) -> bool:
    """Whether nothing is in it that waits, or that a person should see."""
    return not segments(folder) and not list(folder.glob("*.damaged"))


def drop(segment: Path, damage: Damage) -> int:
    """Remove a replayed segment, or set it aside for a person; returns the bytes it had."""
    size = segment.stat().st_size
    if damage.bytes:
        segment.rename(segment.with_suffix(".damaged"))
    else:
        segment.unlink()
    return size


def _sync(file: int) -> None:
    """Have the bytes on the disk, not in its cache."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS, where fsync stops at the disk's own cache
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)


def _lock(folder: Path) -> int | None:
    file = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


@dataclass
class Orphan:
    """A dead door's folder, locked by us until `close`."""

    folder: Path
    lock: int

    def close(self) -> None:
        """Remove the folder when nothing is left in it, and let go."""
        if _is_empty(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)


def orphans(root: Path, own: str) -> Iterator[Orphan]:
    """Folders whose process has died, one at a time; the caller closes each."""
    for folder in sorted(root.iterdir()) if root.exists() else []:
        if folder.name == own or not folder.is_dir():
            continue
        if not segments(folder) and list(folder.glob("*.damaged")):
            continue
        lock = _lock(folder)
        if lock is not None:
            yield Orphan(folder, lock)


def oldest_batch_at(root: Path) -> datetime | None:
    """The moment inside the oldest batch id of all spools on this host; None when all is empty."""
    firsts = [next(read(segment, Damage()), None) for segment in root.glob("*/*.seg")]
    return min((time_of(batch.id) for batch in firsts if batch is not None), default=None)


def waiting_bytes(root: Path) -> int:
    """Bytes that wait in all spool folders under `root`; doors may empty them meanwhile."""
    found = 0
    for folder in os.scandir(root) if root.exists() else ():
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in os.scandir(folder.path):
                if entry.name.endswith(".seg"):
                    with suppress(FileNotFoundError):
                        found += entry.stat().st_size
    return found
