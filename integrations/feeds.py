"""Fetching the marketplace feed: whole, under a name of its own, or not at all."""

import asyncio
import os
import re
import secrets
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, NamedTuple

import httpx

from base.clock import steady, wall_ms
from base.errors import Transient
from base.settings import settings
from integrations.feed_files import Feed, FeedRefused, is_html, opened

__all__ = ["Feed", "FeedAway", "FeedRefused", "Fetched", "Limits", "fetch", "is_html", "opened"]

Said = Callable[[int, int | None], None]

_MOST_REDIRECTS = 5
_HEAD_BYTES = 4096  # by which a web page is told
_MOST_HEADER = 500
_PIECE = 1 << 20
_GONE = frozenset({404, 410})
_DENIED = frozenset({401, 402, 403, 407, 451})
_LATER = frozenset({408, 425, 429})
_UNFINISHED = ".part"
_KINDS = ((b"PK", "zip"), (b"\x1f\x8b", "gz"))
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
_WEB = re.compile(r"\s*(?:text/html|application/xhtml)", re.IGNORECASE)


class FeedAway(Transient):
    """The feed's server did not answer, or not to the end; the text holds no address."""


class Fetched(NamedTuple):
    """A feed on this machine; `dated` is what its server says, `bytes` the file's size."""

    path: Path
    etag: str | None
    last_modified: str | None
    dated: datetime | None
    bytes: int


class Limits(NamedTuple):
    """How long a server may take: to connect, between two pieces, for all; and at which pace."""

    connect_seconds: float = 15.0
    idle_seconds: float = 30.0
    most_seconds: float = 2 * 3600.0
    patience_seconds: float = 60.0  # for its first answer, and before the pace counts
    least_bytes_per_second: float = 2048.0


def fetch(
    url: str,
    folder: Path,
    *,
    etag: str | None,
    last_modified: str | None,
    said: Said,
    limits: Limits = Limits(),
) -> Fetched | None:
    """Fetch the feed into a new file of `folder`; None when it has not changed since.

    `etag` and `last_modified` are what came with the one before, as text. `said` is told how many
    bytes have come, of how many if that is known; what it raises ends the transfer. `url` may hold
    a user and a password, which no error names. Raises `FeedAway` and `FeedRefused`.
    """
    since = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    asked = {name: value for name, value in since.items() if value}
    part = folder / f"{secrets.token_hex(8)}{_UNFINISHED}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder, limits)
        with part.open("xb") as file:
            told = asyncio.run(_transfer(_address(url), asked, file, said, limits))
        return None if told is None else _keep(part, *told)
    except OSError as error:
        raise FeedAway(f"The feed cannot be written: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _address(url: str) -> httpx.URL:
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        found = httpx.URL("")
    if found.scheme not in ("http", "https") or not _HOST.fullmatch(found.raw_host):
        raise FeedRefused("address", "The feed's address must begin with http:// or https://.")
    return found


async def _transfer(
    url: httpx.URL, asked: dict[str, str], file: IO[bytes], said: Said, limits: Limits
) -> tuple[httpx.Headers, bytes] | None:
    """The answer's headers and its first bytes, once all is in the file; None for a 304."""
    timeout = httpx.Timeout(limits.idle_seconds, connect=limits.connect_seconds)
    headers = {**asked, "Accept": "*/*", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(limits.most_seconds),
            httpx.AsyncClient(
                timeout=timeout, follow_redirects=True, max_redirects=_MOST_REDIRECTS
            ) as client,
        ):
            request = client.build_request("GET", url, headers=headers)
            async with asyncio.timeout(limits.patience_seconds):
                answer = await client.send(request, stream=True)
            try:
                if not _is_feed(answer.status_code, conditional=bool(asked)):
                    return None
                return answer.headers, await _receive(answer, file, said, limits)
            finally:
                await answer.aclose()
    except httpx.TooManyRedirects:
        raise FeedRefused("redirects", "The feed's address leads in a circle.") from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise FeedRefused("address", "The feed's address leads to none of the web.") from None
    except httpx.HTTPError as error:
        raise FeedAway(f"The feed did not come: {type(error).__name__}.") from None
    except TimeoutError:
        raise FeedAway("The feed did not come in time.") from None


def _is_feed(status: int, *, conditional: bool) -> bool:
    """Whether a feed follows; not when it has not changed. Raises for all other answers."""
    if status == 304 and conditional:
        return False
    if status in (200, 203):
        return True
    if status in _GONE:
        raise FeedRefused("gone", f"The feed's server answered {status}: it is not there any more.")
    if status in _DENIED:
        raise FeedRefused("denied", f"The feed's server answered {status}: it may not be read.")
    if status >= 500 or status in _LATER:
        raise FeedAway(f"The feed's server answered {status}.")
    raise FeedRefused("unusual", f"The feed's server answered {status}, and sent no feed.")


async def _receive(answer: httpx.Response, file: IO[bytes], said: Said, limits: Limits) -> bytes:
    """Write it all to the disk; returns its first bytes."""
    told = answer.headers.get("Content-Length", "")
    total = int(told) if re.fullmatch("[0-9]{1,18}", told) else None
    most = settings().feed_most_bytes
    if total is not None and total > most:
        raise _too_large(most)
    head, came, began = b"", 0, steady()
    async for piece in _unpacked(answer):
        came += len(piece)
        if came > most:
            raise _too_large(most)
        if len(head) < _HEAD_BYTES:
            head += piece[:_HEAD_BYTES]
        file.write(piece)
        said(came, total if total is None or came <= total else None)
        took = steady() - began
        if took > limits.patience_seconds and came < took * limits.least_bytes_per_second:
            raise FeedAway("The feed came too slowly.")
    file.flush()
    os.fsync(file.fileno())
    _judge(head, answer.headers.get("Content-Type", ""))
    return head


async def _unpacked(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body, without what a server may have packed it in although nobody asked for that."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        async for piece in answer.aiter_raw():
            yield piece
        return
    if encoding not in ("gzip", "x-gzip"):
        raise FeedRefused("unusual", "The feed's server packs it in a way that nobody asked for.")
    unpacker = zlib.decompressobj(31)
    try:
        async for piece in answer.aiter_raw():
            while piece:
                yield unpacker.decompress(piece, _PIECE)
                piece = unpacker.unconsumed_tail
    except zlib.error:
        raise FeedAway("The feed was damaged on its way.") from None
    if not unpacker.eof:
        raise FeedAway("The feed was cut off on its way.")


def _judge(head: bytes, kind: str) -> None:
    is_packed = any(head.startswith(mark) for mark, _ in _KINDS)
    if not head.strip():
        raise FeedRefused("empty", "The feed's server sent nothing.")
    if not is_packed and (is_html(head) or _WEB.match(kind)):
        raise FeedRefused("html", "The feed's server sent a web page.")


def _too_large(most: int) -> FeedRefused:
    said = f"The feed has more than {most} bytes (HOPFLEET_FEED_MOST_BYTES)."
    return FeedRefused("too_large", said)


def _keep(part: Path, headers: httpx.Headers, head: bytes) -> Fetched:
    """Give the file its name and its date, for good."""
    kind = next((kind for mark, kind in _KINDS if head.startswith(mark)), "xml")
    path = part.with_suffix(f".{kind}")
    told = headers.get("Last-Modified")
    dated = _date(told)
    if dated is not None:
        os.utime(part, (dated.timestamp(), dated.timestamp()))
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    size = path.stat().st_size
    return Fetched(path, _short(headers.get("ETag")), _short(told), dated, size)


def _short(header: str | None) -> str | None:
    """What is sent back the next time, unless a server has made a novel of it."""
    return header if header and len(header) <= _MOST_HEADER and header.isprintable() else None


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _sweep(folder: Path, limits: Limits) -> None:
    """Delete what transfers have left that were killed; no living one is as old."""
    oldest = wall_ms() / 1000 - 2 * limits.most_seconds
    for one in folder.glob(f"*{_UNFINISHED}"):
        with suppress(OSError):
            if one.stat().st_mtime < oldest:
                one.unlink()
