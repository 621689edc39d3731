"""A marketplace feed that looks real: the real elements, made-up sellers, some words frequent.

What a product says follows from the seed and its number alone, so that it says the same in each
of its categories, and nothing but small tables is held in memory.
"""

import random
from array import array
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple
from xml.sax.saxutils import escape

_MAIN, _SUB_EACH = 25, 8
_VOCABULARY = 50_000
_DRAWS = 1 << 19  # entries of the table that words are drawn from: frequent ones stand often
_REAL = (
    "guide", "course", "diet", "keto", "yoga", "guitar", "dog", "training", "plan", "recipes",
    "für", "Anfänger", "Gärten", "niños", "español", "français", "débutants", "mañana", "über",
    "manifestation", "woodworking", "keyboard", "survival", "meditation", "languages",
)  # fmt: skip
_SYLLABLES = [first + second for first in "bcdfghklmnprstvwz" for second in "aeiou"]
_PLACES = (1, 2, 3, 3, 4, 5)  # categories of a product; three on average
_COMMISSIONS = (30, 40, 50, 50, 50, 60, 65, 75, 75, 75)
_LATIN = "iso-8859-1"

HEAD = (
    f'<?xml version="1.0" encoding="{_LATIN.upper()}"?>\n'
    '<!DOCTYPE Catalog SYSTEM "marketplace_feed_v2.dtd">\n<Catalog>\n'
)
DTD = (
    "<!ELEMENT Catalog (Category*)>\n<!ELEMENT Category (Name, Site*, Category*)>\n"
    "<!ELEMENT Name (#PCDATA)>\n"
)


class Feed(NamedTuple):
    """What is to be made: of `changed` percent of the products other numbers than without it."""

    products: int
    seed: int = 1
    changed: float = 0.0


def pieces(feed: Feed) -> Iterator[tuple[int, bytes]]:
    """The file in pieces, each with how many listings it holds."""
    making = _Making(feed)
    yield 0, HEAD.encode(_LATIN)
    for category in range(_MAIN * (1 + _SUB_EACH)):
        yield 0, making.opening(category)
        yield from making.listings(category)
        yield 0, making.closing(category)
    yield 0, b"</Catalog>\n"


class _Making:
    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        dice = random.Random(feed.seed)
        words = _words(dice)
        weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
        self._draws = dice.choices(words, cum_weights=weights, k=_DRAWS)
        names = dice.sample(words[-10_000:], _MAIN * (1 + _SUB_EACH))
        self._mains = [name.title() for name in names[:_MAIN]]
        self._subs = [
            "New Products" if at % _SUB_EACH == 0 else f"{name.title()} & More"
            for at, name in enumerate(names[_MAIN:])
        ]
        self._members = self._assign()
        self._dice = random.Random()

    def _assign(self) -> "list[array[int]]":
        """Which products stand in which category: subs first, then the mains themselves."""
        members = [array("I") for _ in range(_MAIN * (1 + _SUB_EACH))]
        dice = random.Random(self._feed.seed + 1)
        subs = _MAIN * _SUB_EACH
        for number in range(self._feed.products):
            # Some categories have many times the products of others.
            sub = int(subs * dice.random() ** 1.5)
            members[sub].append(number)
            others = {sub}
            for at in range(dice.choice(_PLACES) - 1):
                other = subs + sub // _SUB_EACH if at == 0 else int(subs * dice.random())
                if other not in others:
                    others.add(other)
                    members[other].append(number)
        return members

    def opening(self, category: int) -> bytes:
        """What stands before the listings of a category."""
        main, is_main, is_first = self._where(category)
        name = self._mains[main] if is_main else self._subs[category]
        above = f"<Category>\n<Name>{escape(self._mains[main])}</Name>\n"
        text = above if is_main else f"<Category>\n<Name>{escape(name)}</Name>\n"
        return (above + text if is_first else text).encode(_LATIN)

    def closing(self, category: int) -> bytes:
        """What stands behind them; the last sub-category closes its main one, too."""
        _, is_main, _ = self._where(category)
        is_last = not is_main and category % _SUB_EACH == _SUB_EACH - 1
        return b"</Category>\n</Category>\n" if is_last else b"</Category>\n"

    @staticmethod
    def _where(category: int) -> tuple[int, bool, bool]:
        subs = _MAIN * _SUB_EACH
        if category >= subs:
            return category - subs, True, False
        return category // _SUB_EACH, False, category % _SUB_EACH == 0

    def listings(self, category: int) -> Iterator[tuple[int, bytes]]:
        """Its sites, best rank first, some hundred a piece."""
        members = self._members[category]
        for start in range(0, len(members), 500):
            part = members[start : start + 500]
            text = "".join(
                f"<Site>\n<Id>{_name(number)}</Id>\n<PopularityRank>{start + at}</PopularityRank>\n"
                f"{self._content(number)}</Site>\n"
                for at, number in enumerate(part, 1)
            )
            yield len(part), text.encode(_LATIN, "xmlcharrefreplace")

    def _content(self, number: int) -> str:
        dice = self._dice
        dice.seed(self._feed.seed * 1_000_003 + number)
        title = " ".join(dice.choices(self._draws, k=dice.randint(3, 9))).capitalize()
        words = " ".join(dice.choices(self._draws, k=dice.randint(10, 60)))
        # Most sell nothing, few much: a heavy tail up to about a thousand.
        gravity = 0.0 if dice.random() < 0.3 else min(dice.paretovariate(0.7) - 0.9, 900.0)
        commission = dice.choice(_COMMISSIONS)
        first = round(dice.lognormvariate(3.2, 0.6), 2)
        rebill = round(first * dice.random(), 2) if dice.random() < 0.3 else 0.0
        if dice.random() * 100 < self._feed.changed:
            gravity, commission = gravity + 1.5, 100 - commission
        share = f"{commission - dice.random() * 5:.1f}"
        return (
            f"<Title>{escape(title)}</Title>\n<Description>{escape(words)}.</Description>\n"
            f"<HasRecurringProducts>{'true' if rebill else 'false'}</HasRecurringProducts>\n"
            f"<Gravity>{gravity:.4f}</Gravity>\n<PercentPerSale>{share}</PercentPerSale>\n"
            f"<PercentPerRebill>{share if rebill else '0.0'}</PercentPerRebill>\n"
            f"<AverageEarningsPerSale>{first + rebill:.2f}</AverageEarningsPerSale>\n"
            f"<InitialEarningsPerSale>{first}</InitialEarningsPerSale>\n"
            f"<TotalRebillAmt>{rebill}</TotalRebillAmt>\n"
            f"<Referred>{dice.random() * 100:.1f}</Referred>\n"
            f"<Commission>{commission}</Commission>\n"
            f"<ActivateDate>20{number % 15 + 10}-{number % 12 + 1:02}-{number % 28 + 1:02}"
            "</ActivateDate>\n"
        )


def _words(dice: random.Random) -> list[str]:
    """Different words that can be spoken, a few real ones among the frequent."""
    made = dict.fromkeys(_REAL)
    while len(made) < _VOCABULARY:
        made["".join(dice.choices(_SYLLABLES, k=dice.randint(2, 4)))] = None
    words = list(made)
    real = words[: len(_REAL)]
    rest = words[len(_REAL) :]
    for at, word in enumerate(real):
        rest.insert(at * 40 + 7, word)
    return rest


def _name(number: int) -> str:
    """A seller's nickname: capitals and digits, at most ten."""
    return f"SHOP{number:06d}"
