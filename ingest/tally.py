"""What each door took in, minute by minute: counts in a mapped file that outlives the process.

An audit compares them with what became rows, so they come from another place than the rows do:
counted beside the journal, not in it. `kill -9` takes none away, because the kernel has the page;
a power cut may take the last seconds that were not published yet.

    tallies/<name>.tally   a page with the doors' names, then a slot a minute: its number, and for
                           each door OFFERED, ACKED, REFUSED, DROPPED as 64-bit numbers
"""

import fcntl
import json
import mmap
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from base.ids import ms_of
from base.logs import log
from journal.appends import Batch
from schemas.items import Door

SLOTS = 1440  # a day without PostgreSQL; then the oldest minutes are forgotten
HEAD_BYTES = 4096
OFFERED, ACKED, REFUSED, DROPPED = range(4)
_COUNTS = 4
_DOORS = tuple(map(str, Door))
_INDEX = {door: 1 + _COUNTS * place for place, door in enumerate(_DOORS)}
_WIDTH = 1 + _COUNTS * len(_DOORS)


class Count(NamedTuple):
    """One minute of one door in one process; `minute` in minutes since 1970.

    Of `offered` items, `acked` were on disk and answered so, `refused` surely not kept; what is
    missing to `offered` was in flight when the process died, or its fate is unknown. `dropped`
    were answered without being recorded; those that had been offered are `refused`, too.
    """

    minute: int
    door: str
    offered: int
    acked: int
    refused: int
    dropped: int


class Tally:
    """This process's counts; written on the loop's thread, read by the keeper's."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.tally"
        # Ours before it has its name: who looks for leftovers is never quicker than we are.
        fresh = folder / f"{name}.new"
        self._file = os.open(fresh, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(self.path)
        self._map = self._mapped()
        self._whole = memoryview(self._map)
        self._bytes = self._whole[HEAD_BYTES:]
        self._cells = self._bytes.cast("Q")
        self._changed: set[int] = set()
        self._telling = False  # whether counts are on their way into the database
        self._closing = threading.Lock()
        self._closed = False

    def _mapped(self) -> mmap.mmap:
        head = json.dumps({"doors": _DOORS, "slots": SLOTS}).encode().ljust(HEAD_BYTES, b"\n")
        size = HEAD_BYTES + SLOTS * _WIDTH * 8
        try:
            # All of it now: a mapped page that the disk has no room for would end the process.
            os.posix_fallocate(self._file, 0, size)
            os.pwrite(self._file, head, 0)
            return mmap.mmap(self._file, size)
        except OSError as error:
            log().warning("tally.in_memory", reason=error.strerror)
            return mmap.mmap(-1, size)

    def offer(self, batches: Iterable[Batch]) -> None:
        """The batches are about to be kept."""
        self._add(batches, OFFERED)

    def ack(self, batches: Iterable[Batch]) -> None:
        """The batches are on disk, and their clients are about to be told."""
        self._add(batches, ACKED)

    def refuse(self, batches: Iterable[Batch], *, surely: bool) -> None:
        """The batches' clients are told that nothing was recorded; `surely` nothing was."""
        self._add(batches, DROPPED)
        if surely:
            self._add(batches, REFUSED)

    def drop(self, door: str, count: int, ms: int) -> None:
        """So many items were answered at `ms` without ever being offered."""
        minute = ms // 60_000
        self._cells[self._slot(minute) + _INDEX[door] + DROPPED] += count
        self._changed.add(minute)

    def _add(self, batches: Iterable[Batch], which: int) -> None:
        for batch in batches:
            minute = ms_of(batch.id) // 60_000
            slot = self._slot(minute)
            for door, count in batch.doors.items():
                self._cells[slot + _INDEX[door] + which] += count
            self._changed.add(minute)

    def _slot(self, minute: int) -> int:
        at = (minute % SLOTS) * _WIDTH
        if self._cells[at] != minute:
            self._cells[at : at + _WIDTH] = memoryview(bytes(8 * _WIDTH)).cast("Q")
            self._cells[at] = minute
        return at

    def changed(self) -> list[Count]:
        """The counts of all minutes that changed since they were last asked for here.

        Say `published` or `unpublished` afterwards: until then their file is needed.
        """
        with self._closing:
            if self._closed:
                return []
            # Marked after it was counted, unmarked before it is read: no count is overlooked.
            minutes = list(self._changed)
            self._changed.difference_update(minutes)
            found = [
                count
                for minute in minutes
                if self._cells[(minute % SLOTS) * _WIDTH] == minute
                for count in _counts(self._cells[(minute % SLOTS) * _WIDTH :], _DOORS)
            ]
            self._telling = bool(found)
            return found

    def published(self) -> None:
        """What was asked for last is in the database."""
        self._telling = False

    def unpublished(self, counts: Iterable[Count]) -> None:
        """These could not be published: they count as changed again."""
        self._changed.update(count.minute for count in counts)
        self._telling = False

    def close(self) -> None:
        """Leave the file, unless all it holds has been published."""
        with self._closing:
            self._closed = True
            if not self._changed and not self._telling:
                self.path.unlink(missing_ok=True)
            for view in (self._cells, self._bytes, self._whole):
                view.release()
            self._map.close()  # it holds the file, and with it the lock, too
            os.close(self._file)


def _counts(cells: memoryview, doors: Iterable[str]) -> Iterator[Count]:
    """The counts of one slot that are not all zero."""
    for place, door in enumerate(doors):
        at = 1 + _COUNTS * place
        found = cells[at : at + _COUNTS].tolist()
        if any(found):
            yield Count(cells[0], door, *found)


class Leftover(NamedTuple):
    """The file of a process that has ended, locked by us until `close`."""

    name: str
    counts: list[Count]
    path: Path
    lock: int

    def forget(self) -> None:
        """Its counts are in the database: the file may go."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.lock)


def leftovers(folder: Path) -> Iterator[Leftover]:
    """What dead doors on this host left; the caller closes each. Files of the living are left."""
    for path in sorted(folder.glob("*.tally")):
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        if not os.fstat(file).st_nlink:  # somebody was quicker, and has said it
            os.close(file)
            continue
        yield Leftover(path.stem, _read(file), path, file)


def _read(file: int) -> list[Count]:
    data = os.pread(file, os.fstat(file).st_size, 0)
    try:
        doors = json.loads(data[:HEAD_BYTES])["doors"]
    except (ValueError, KeyError):
        return []  # its owner died before the first count
    cells = memoryview(data)[HEAD_BYTES:].cast("Q")
    width = 1 + _COUNTS * len(doors)
    return [
        count
        for at in range(0, len(cells) - width + 1, width)
        if cells[at]
        for count in _counts(cells[at : at + width], doors)
    ]
