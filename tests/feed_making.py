"""Feeds in the hand: made of few words, read from memory."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from integrations.feeds import Feed, FeedRefused
from integrations.marketplace import Site, sites

DATED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def feed_of(data: bytes | str) -> Feed:
    """A feed that is opened already."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return Feed(stream, "feed.xml", DATED, None, 1 << 40)


def sites_of(data: bytes | str) -> list[Site]:
    """Its sites."""
    return list(sites(feed_of(data)))


def refusal_of(data: bytes | str) -> FeedRefused:
    """Why it is refused."""
    with pytest.raises(FeedRefused) as refused:
        sites_of(data)
    return refused.value


def site(clickbank_id: str = "SHOP", rest: str = "", **elements: str) -> str:
    """A site in XML; `rest` and the elements' texts are XML themselves."""
    told = "".join(f"<{name}>{text}</{name}>" for name, text in elements.items())
    return f"<Site><Id>{clickbank_id}</Id>{told}{rest}</Site>"


def catalog(*parts: str, head: str = "", name: str = "Art") -> str:
    """A catalogue with one category that holds the parts."""
    return f"{head}<Catalog><Category><Name>{name}</Name>{''.join(parts)}</Category></Catalog>"


class Endless(io.RawIOBase):
    """A stream that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        found, self._left = self._left[:size], self._left[size:]
        return found
