"""A server of the marketplace's feed, as the network's is, or as one has it on a bad day.

Each is an answer for `tests.web.Web.answer`.
"""

import asyncio
import gzip
from itertools import count

from tests.web import Answering, Got

NEWEST = "Mon, 02 Mar 2026 13:00:00 GMT"


def _head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Word", *headers, "", ""]).encode()


def feed(
    data: bytes, etag: str | None = '"1"', modified: str | None = NEWEST, *headers: str
) -> Answering:
    """The feed; 304 to who has it already."""
    tags = [f"ETag: {etag}"] if etag else []
    dates = [f"Last-Modified: {modified}"] if modified else []

    async def answer(got: Got, writer: asyncio.StreamWriter) -> None:
        told = got.headers.get("if-none-match"), got.headers.get("if-modified-since")
        if (etag and told[0] == etag) or (not told[0] and modified and told[1] == modified):
            writer.write(_head(304, *tags, *dates))
            return
        writer.write(_head(200, f"Content-Length: {len(data)}", *tags, *dates, *headers) + data)

    return answer


def page(status: int = 200) -> Answering:
    """A web page in its place."""
    data = b"<!DOCTYPE html><html><body>We have moved.</body></html>"

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        length = f"Content-Length: {len(data)}"
        writer.write(_head(status, "Content-Type: text/html; charset=utf-8", length) + data)

    return answer


def cut(data: bytes, at: int) -> Answering:
    """It promises all and hangs up after `at` bytes."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, f"Content-Length: {len(data)}") + data[:at])
        await writer.drain()
        writer.close()

    return answer


def chunked(data: bytes, *, is_whole: bool = True) -> Answering:
    """Without a length, in pieces; if not whole, it hangs up before it says that this is all."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, "Transfer-Encoding: chunked"))
        for at in range(0, len(data), 10_000):
            piece = data[at : at + 10_000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if is_whole:
            writer.write(b"0\r\n\r\n")
        else:
            writer.close()

    return answer


def unsized(data: bytes) -> Answering:
    """As in old times: all until it hangs up."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, "Connection: close") + data)
        await writer.drain()
        writer.close()

    return answer


def packed(data: bytes, *, at: int | None = None, encoding: str = "gzip") -> Answering:
    """In an encoding that nobody has asked for, perhaps cut."""
    body = gzip.compress(data)[:at]

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        told = f"Content-Length: {len(body)}", f"Content-Encoding: {encoding}"
        writer.write(_head(200, *told) + body)

    return answer


def redirect(to: str, status: int = 302) -> Answering:
    """It is elsewhere."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, f"Location: {to}", "Content-Length: 0"))

    return answer


def dripping(seconds: float, *, in_head: bool = False) -> Answering:
    """A byte from time to time, for ever; in its headers or in its body."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Word\r\n" + (b"" if in_head else b"Connection: close\r\n\r\n"))
        for number in count():
            writer.write(b"X-%d: x\r\n" % number if in_head else b"<")
            await writer.drain()
            await asyncio.sleep(seconds)

    return answer


def silent(data: bytes, at: int) -> Answering:
    """It sends `at` bytes of what it has promised, and says nothing more."""

    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, f"Content-Length: {len(data)}") + data[:at])
        await writer.drain()
        while not writer.is_closing():
            await asyncio.sleep(0.01)

    return answer
