"""ClickBank's marketplace feed as a stream of sites, whatever is in the file, in constant memory.

Shape: `Catalog` with `Category` in any depth, each with a `Name`, `Site` and `Category`; elements
are looked up by name, in any order.
"""

import re
from collections.abc import Iterator

from integrations.feed_files import Feed, FeedRefused, is_html
from integrations.feed_listing import Listing, Site
from integrations.feed_text import HEAD_BYTES, Reading, reading

__all__ = ["Site", "Sites", "sites"]

_PIECE = 1 << 16
# Read by us: Expat would find in it that a `standalone` document may not use undeclared entities.
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*\?>|\s+")


class Sites:
    """Iterable once: the sites of a feed in its order, a repeated id as often as it is listed.

    `skipped` counts those without an id that could be one. Raises `FeedRefused` on any damage,
    also at the very end: what was yielded before is then worth nothing.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.skipped = 0

    def __iter__(self) -> Iterator[Site]:
        listing, has_any = Listing(), False
        for text, is_last in self._texts():
            listing.take(text, is_last=is_last)
            self.skipped = listing.skipped
            if listing.ready:
                has_any = True
                yield from listing.ready
                listing.ready.clear()
        if not has_any:
            raise FeedRefused("empty", "The feed lists no product.")

    def _texts(self) -> Iterator[tuple[str, bool]]:
        """The feed's characters piece by piece, without its declaration, and which is the last."""
        head = self._head()
        how = _how(head)
        text = _text(how, head[how.skipped :], is_last=False)
        told = _DECLARATION.match(text)
        if told:
            text = "\n" * told[0].count("\n") + text[told.end() :]
        yield text, False
        while piece := self._feed.read(_PIECE):
            yield _text(how, piece, is_last=False), False
        yield _text(how, b"", is_last=True), True

    def _head(self) -> bytes:
        head = b""
        while len(head) < HEAD_BYTES and (piece := self._feed.read(_PIECE)):
            head += piece
        if not head.strip():
            raise FeedRefused("empty", "The feed is empty.")
        if is_html(head):
            raise FeedRefused("html", "The feed is a web page: its address leads elsewhere now.")
        return head


def sites(feed: Feed) -> Sites:
    """The sites of an opened feed; see `Sites`."""
    return Sites(feed)


def _how(head: bytes) -> Reading:
    how = reading(head)
    if how is None:
        raise FeedRefused("damaged", "The feed is in an encoding that nobody knows.")
    return how


def _text(how: Reading, piece: bytes, *, is_last: bool) -> str:
    try:
        return how.decode(piece, is_last)
    except UnicodeError:
        raise FeedRefused("damaged", "The feed holds bytes that its encoding has not.") from None
