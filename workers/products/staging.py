"""From a feed's file into staging tables: two COPYs at once, whatever the feed's size."""

import hashlib
import re
from array import array
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import orjson
from psycopg import Copy

from db.connection import transaction
from db.product_stage import CONTENT_COLUMNS, LISTING_COLUMNS, Stage
from integrations.feeds import Feed, opened
from integrations.marketplace import Site, sites
from rules import products

_LINES = 500  # between two looks at the lease: some hundredths of a second
# Contents that are remembered, 8 bytes each; one that pushed another out is copied once more.
_KNOWN = 1 << 22
_LIMIT_SECONDS = 12 * 3600.0  # a paced feed of a million products, twice over
_SPECIAL = re.compile(r"[\\\t\n\r]").search
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Read = Callable[[Feed], object]


def stage(path: Path, into: Stage, rest: Read) -> tuple[int, int]:
    """Stage what a file lists; returns how many listings, and how many had no id and are left out.

    `rest` is called every few hundred listings. Raises `FeedRefused` for a damaged file; then, as
    after any other end, nothing is staged.
    """
    with ExitStack() as stack:
        feed = stack.enter_context(opened(path))
        first = stack.enter_context(transaction(limit_seconds=_LIMIT_SECONDS))
        into.make(first)
        first.commit()  # the other session is to see the tables
        second = stack.enter_context(transaction(limit_seconds=_LIMIT_SECONDS))
        listings = stack.enter_context(into.copy(first, "listings", LISTING_COLUMNS))
        contents = stack.enter_context(into.copy(second, "contents", CONTENT_COLUMNS))
        found = sites(feed)
        return _copy(found, listings, contents, lambda: rest(feed)), found.skipped


def _copy(found: Iterable[Site], listings: Copy, contents: Copy, rest: Callable[[], object]) -> int:
    """Write each listing, and each content once, as long as it is remembered."""
    count = 0
    known = array("Q", bytes(8 * _KNOWN))
    places: list[str] = []
    told: list[bytes] = []
    for site in found:
        site.elements.pop("PopularityRank", None)  # of the listing; all else is the product's
        digest = _digest(site)
        places.append(_listing(site, digest))
        mark = int.from_bytes(digest.digest()[:8], "little")
        if known[mark % _KNOWN] != mark:
            known[mark % _KNOWN] = mark
            told.append(_content(site, digest))
        count += 1
        if len(places) >= _LINES:
            _write(listings, contents, places, told)
            rest()
    _write(listings, contents, places, told)
    rest()
    return count


def _write(listings: Copy, contents: Copy, places: list[str], told: list[bytes]) -> None:
    listings.write("".join(places))
    contents.write(b"".join(told))
    places.clear()
    told.clear()


def _digest(site: Site) -> "hashlib._Hash":
    elements = site.elements
    return hashlib.md5(
        "\x1f".join([site.clickbank_id, *elements, *elements.values()]).encode(),
        usedforsecurity=False,
    )


@lru_cache(4096)  # not more: a hostile feed has another path for each site
def _place(path: tuple[str, ...]) -> str:
    """Path, depth and whether it is among the new products; a feed has some hundred paths."""
    return f"{_escaped(products.path(path))}\t{len(path)}\t{products.is_new(path)}"


def _listing(site: Site, digest: "hashlib._Hash") -> str:
    rank = products.rank(site.rank)
    told = "\\N"  # only what a number would not say
    if site.rank is not None and site.rank != str(rank):
        told = _escaped(site.rank[:50])
    return (
        f"{_escaped(site.clickbank_id)}\t{_place(site.path)}\t{_or_null(rank)}\t{told}"
        f"\t{digest.hexdigest()}\n"
    )


def _content(site: Site, digest: "hashlib._Hash") -> bytes:
    content = products.content(site.clickbank_id, site.elements)
    values = (
        _escaped(site.clickbank_id), digest.hexdigest(), _escaped(content.title),
        _escaped(content.description), _or_null(content.commission_rate),
        _or_null(content.commission_amount), _or_null(content.initial_sale_amount),
        _or_null(content.gravity), content.rebill,
    )  # fmt: skip
    elements = orjson.dumps(site.elements).replace(b"\\", b"\\\\")
    return "\t".join(map(str, values)).encode() + b"\t" + elements + b"\n"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if _SPECIAL(text) else text


def _or_null(value: object) -> object:
    return "\\N" if value is None else value
