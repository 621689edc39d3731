"""A feed as a file: zipped, gzipped or plain, read as a stream that cannot grow without bounds."""

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from base.clock import from_ms
from base.errors import Permanent
from base.settings import settings

_MOST_RATIO = 200  # unpacked bytes for a packed one; XML of products has 5 to 30
_FREE_BYTES = 64 << 20  # beyond which that counts
_MOST_LISTED = 1 << 20  # bytes of a zip's list of files, which the library reads at once
_PACKED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # LZMA may ask for 4 GB at once
_LOCKED = 0x1  # the flag of an encrypted member
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*"
    rb"<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)


class FeedRefused(Permanent):
    """A feed that is none; `reason` is one word: gone, denied, html, empty, too_large, damaged."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Feed:
    """An opened feed: `read` it to its end, where its checksum is compared.

    `dated` is when it was made, in UTC (of a zip without a time zone, as if it were UTC), `size`
    its unpacked bytes if known, `at` how many of them have been read.
    """

    def __init__(
        self, stream: _Stream, name: str, dated: datetime, size: int | None, most: int
    ) -> None:
        self.name, self.dated, self.size = name, dated, size
        self.at = 0
        self._stream, self._most = stream, most

    def read(self, n: int) -> bytes:
        """At most `n` bytes, b"" at the end; raises `FeedRefused` for damage and excess."""
        try:
            found = self._stream.read(n)
        except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _broken(error) from None
        self.at += len(found)
        if self.at > self._most:
            raise FeedRefused("too_large", f"Unpacked, the feed has more than {self._most} bytes.")
        return found


@contextmanager
def opened(path: Path) -> Iterator[Feed]:
    """A feed from a file of any of the three kinds, told by its first bytes."""
    try:
        file = _File(path)
    except OSError as error:
        raise FeedRefused("gone", f"{path} cannot be read: {error.strerror}.") from None
    with ExitStack() as held:
        held.enter_context(file)
        start = file.read(4)
        file.seek(0)
        if not start:
            raise FeedRefused("empty", "The feed is empty.")
        if start[:2] == b"PK":
            yield _unzipped(path, file, held)
        elif start[:2] == b"\x1f\x8b":
            stream = held.enter_context(gzip.GzipFile(fileobj=file, mode="rb"))
            yield Feed(stream, path.stem, _changed_at(path), None, _most(path.stat().st_size))
        else:
            size = path.stat().st_size
            yield Feed(io.BufferedReader(file), path.name, _changed_at(path), size, _most())


def is_html(start: bytes) -> bool:
    """Whether something that begins so is a web page."""
    return _HTML.match(start) is not None


class _File(io.FileIO):
    """A file that is never read in pieces as large as a hostile zip may ask for."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > _MOST_LISTED:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(size) or b""


def _unzipped(path: Path, file: _File, held: ExitStack) -> Feed:
    try:
        archive = held.enter_context(zipfile.ZipFile(file))
        member = _member(archive)
        stream = held.enter_context(archive.open(member))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        raise _broken(error) from None
    most = _most(member.compress_size)
    if member.file_size > most:
        raise FeedRefused("too_large", "Unpacked, the feed would be far too large.")
    dated = _zipped_at(member) or _changed_at(path)
    return Feed(stream, member.filename, dated, member.file_size, most)


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The feed among the files of the archive: the largest XML."""
    found = [one for one in archive.infolist() if not one.is_dir()]
    if not found:
        raise FeedRefused("empty", "The feed is an archive without a file in it.")
    feeds = [one for one in found if one.filename.lower().endswith(".xml")]
    if not feeds:
        raise FeedRefused("damaged", "The feed is an archive without an XML file in it.")
    member = max(feeds, key=lambda one: one.file_size)
    if member.flag_bits & _LOCKED:
        raise FeedRefused("damaged", "The feed is an archive that is locked with a password.")
    if member.compress_type not in _PACKED:
        raise FeedRefused("damaged", "The feed is an archive that is packed in an unusual way.")
    if not member.file_size:
        raise FeedRefused("empty", "The feed is empty.")
    return member


def _most(packed: int | None = None) -> int:
    """How many bytes may come out, by the setting and by the number that went in."""
    most = settings().feed_most_unpacked_bytes
    return most if packed is None else min(most, max(_FREE_BYTES, packed * _MOST_RATIO))


def _zipped_at(member: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None


def _changed_at(path: Path) -> datetime:
    return from_ms(path.stat().st_mtime_ns // 1_000_000)


def _broken(error: Exception) -> FeedRefused:
    return FeedRefused("damaged", f"The feed's archive is damaged: {str(error).rstrip('.')}.")
