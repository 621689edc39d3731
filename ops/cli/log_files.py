"""Log files: lines out of a file, a gzipped file or standard input; bad ones kept beside it."""

import gzip
import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from base.errors import HopfleetError, Misused
from rules.access_log import MAX_LINE_CHARACTERS

STDIN = "-"
_GZIP = b"\x1f\x8b"
_MOST_BYTES = 4 * MAX_LINE_CHARACTERS  # of a line in memory; nothing longer is a visit


class LogFile:
    """An open log: `lines` once, `position` and `size` in bytes as they lie on the disk."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._raw = self._open()
        is_gzip = self._raw.peek(2)[:2] == _GZIP
        self._file = gzip.GzipFile(fileobj=self._raw) if is_gzip else self._raw
        self.number = 0  # of the line read last

    def _open(self) -> BufferedReader:
        try:
            return open(0 if self.name == STDIN else self.name, "rb", closefd=self.name != STDIN)
        except IsADirectoryError:
            raise Misused(f"{self.name} is a folder: name the log files in it.") from None
        except FileNotFoundError:
            raise Misused(f"There is no file {self.name}.") from None
        except OSError as error:
            raise HopfleetError(f"{self.name} cannot be read: {error.strerror}.") from error

    @property
    def size(self) -> int | None:
        """Bytes of the whole file; None when nobody can know, as for a pipe."""
        size = os.fstat(self._raw.fileno()).st_size
        return size or None

    @property
    def position(self) -> int:
        """How many of its bytes were read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def lines(self) -> Iterator[bytes]:
        """Each line without its end; longer ones are cut. Raises one sentence when damaged."""
        try:
            while line := self._file.readline(_MOST_BYTES):
                self.number += 1
                while not line.endswith(b"\n") and (
                    rest := self._file.readline(_MOST_BYTES)
                ):  # cut: the rest of it is passed over
                    if rest.endswith(b"\n"):
                        break
                yield line.rstrip(b"\r\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise HopfleetError(
                f"{self.name} is damaged after line {self.number:,}: what came before is imported;"
                " get a whole copy and import that, nothing is counted twice."
            ) from error
        except OSError as error:
            raise HopfleetError(f"{self.name} cannot be read on: {error.strerror}.") from error

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._raw.close()


def _private(path: Path) -> int:
    """Open anew for its owner alone, also when it was there before: the lines hold addresses."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


class Rejected:
    """The bad lines of one import, each below its reason; the file appears with the first.

    It can be corrected and imported itself: lines that begin with `#` are passed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def add(self, number: int, reason: str, line: bytes) -> None:
        """Keep a bad line."""
        try:
            if self._file is None:
                self._file = os.fdopen(_private(self.path), "wb")
            self._file.write(f"# line {number}: {reason}\n".encode() + line + b"\n")
        except OSError as error:
            raise HopfleetError(
                f"Bad lines cannot be kept in {self.path} ({error.strerror}): name another file"
                " with --rejected."
            ) from error
        self.count += 1

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
