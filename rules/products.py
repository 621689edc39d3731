"""Products: what the marketplace's raw texts mean for the columns of a row.

Nothing is guessed: a number that cannot be read is None, never 0, because 0 is a value of its own.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

from rules.money import CENT, LARGEST
from schemas.fields import UNWANTED

MOST_TITLE, MOST_DESCRIPTION, MOST_PATH = 500, 100_000, 255
LARGEST_RANK = 2**31 - 1
BETWEEN = " > "
_SHORT = 40  # characters of a number; whatever is longer is none
_READ = 4 * MOST_DESCRIPTION  # characters of a text that are looked at; entities shrink it
_DECODED = 2  # times that texts are escaped too often, at most
_NEW = "new products"  # a category that holds what other categories hold, for a while
_KEPT = 1 << 14  # different numbers that are remembered

_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_INTEGER = re.compile(r"[0-9]+")
# Only with its semicolon: "R&D&notes" holds no logical not.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# What formats; anything else between angles is somebody's text, as in "30 Days of <Composting>".
_BREAKING = re.compile(r"</?(?:br|p|li|ul|ol|div|h[1-6])(?:\s[^<>]*)?/?>", re.IGNORECASE)
_INLINE = re.compile(r"</?(?:b|i|em|strong|span|font|a|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_UNWANTED = re.compile(UNWANTED)


class Content(NamedTuple):
    """What a listing says of its product, ready for the columns of these names."""

    title: str
    description: str
    commission_rate: Decimal | None
    commission_amount: Decimal | None
    initial_sale_amount: Decimal | None
    gravity: Decimal | None
    rebill: bool


def content(clickbank_id: str, elements: Mapping[str, str]) -> Content:
    """The values of a listing from the texts of its elements; any may be missing.

    Two had other names in the feed's first version.
    """
    get = elements.get
    rate = percent(get("Commission"))
    return Content(
        line(get("Title", ""))[:MOST_TITLE].rstrip() or clickbank_id,
        line(get("Description", ""))[:MOST_DESCRIPTION].rstrip(),
        rate if rate is not None else percent(get("PercentPerSale")),
        dollars(get("AverageEarningsPerSale", get("TotalEarningsPerSale"))),
        dollars(get("InitialEarningsPerSale", get("EarnedPerSale"))),
        gravity(get("Gravity")),
        get("HasRecurringProducts", "").strip().lower() == "true",
    )


def line(text: str) -> str:
    """A text as one line for people: decoded, without tags that format and without controls."""
    text = text[:_READ]
    for _ in range(_DECODED):
        if "&" not in text:
            break
        text = _ENTITY.sub(_decoded, text)
    if "<" in text:
        text = _INLINE.sub("", _BREAKING.sub(" ", text))
    text = " ".join(text.split())
    return text if text.isprintable() else " ".join(_UNWANTED.sub("", text).split())


def _decoded(found: re.Match[str]) -> str:
    return html.unescape(found[0])


def percent(text: str | None) -> Decimal | None:
    """From 0 to 100, rounded half up to two places; None for anything else."""
    return _percent(text) if text and len(text) <= _SHORT else None


def dollars(text: str | None) -> Decimal | None:
    """US dollars, rounded half up to cents; None for what the column cannot hold."""
    return _dollars(text) if text and len(text) <= _SHORT else None


def gravity(text: str | None) -> Decimal | None:
    """From 0 upwards, rounded half up to two places; None for anything else."""
    found = dollars(text)
    return found if found is not None and found >= 0 else None


def rank(text: str | None) -> int | None:
    """A place within a category, from 1; None for anything else."""
    return _rank(text) if text and len(text) <= _SHORT else None


@lru_cache(_KEPT)
def _percent(text: str) -> Decimal | None:
    found = _decimal(text)
    return _rounded(found) if found is not None and 0 <= found <= 100 else None


@lru_cache(_KEPT)
def _dollars(text: str) -> Decimal | None:
    found = _decimal(text)
    return _rounded(found) if found is not None else None


@lru_cache(_KEPT)
def _rank(text: str) -> int | None:
    text = text.strip()
    found = int(text) if _INTEGER.fullmatch(text) else 0
    return found if 1 <= found <= LARGEST_RANK else None


def _decimal(text: str) -> Decimal | None:
    """Plain digits only: `Decimal` itself takes exponents, NaN and digits of other scripts."""
    text = text.strip()
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def _rounded(value: Decimal) -> Decimal | None:
    if abs(value) > LARGEST + 1:
        return None
    found = value.quantize(CENT, ROUND_HALF_UP) + 0  # no minus before a zero
    return found if abs(found) <= LARGEST else None


def path(names: Iterable[str]) -> str:
    """Categories from the main one down, as the column holds them; '' for none."""
    told = [name for name in map(line, names) if name]
    return BETWEEN.join(told)[:MOST_PATH].rstrip().removesuffix(" >")


def is_new(names: Sequence[str]) -> bool:
    """Whether a place is the category of what is new."""
    return any(line(name).casefold() == _NEW for name in names)
