"""The written catalogue of searches: every kind of question, with thousands of parameters each.

Each kind is something that people do with a catalogue, or that is hard for an index.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from db.product_plans import After
from db.product_search import Query
from ops.bench.product_rows import Words
from rules.search import wanted


class Question(NamedTuple):
    """One search: what, and where its page begins."""

    query: Query
    after: After | None = None


Asks = Callable[[Words, random.Random], Question]


def _text(text: str, **filters: object) -> Question:
    return Question(Query(text=wanted(text), **filters))  # type: ignore[arg-type]


def _slip(word: str, dice: random.Random) -> str:
    """The word with two letters swapped, or one missing, doubled or changed."""
    at = dice.randrange(len(word) - 1)
    left, one, other, right = word[:at], word[at], word[at + 1], word[at + 2 :]
    return dice.choice((
        left + other + one + right, left + other + right, left + one + one + other + right,
        left + dice.choice("aeiou") + other + right,
    ))  # fmt: skip


def _title(words: Words, dice: random.Random) -> list[str]:
    return dice.choice(words.titles).split()


def _phrase(words: Words, dice: random.Random) -> Question:
    title = _title(words, dice)
    at = dice.randrange(max(len(title) - 1, 1))
    return _text(f'"{" ".join(title[at : at + 2])}"')


def _number(dice: random.Random, most: float) -> Decimal:
    return Decimal(str(round(dice.uniform(0.5, most), 2)))


def _deep(words: Words, dice: random.Random) -> Question:
    place = After(0, _number(dice, 30), UUID(int=dice.getrandbits(128)))
    return Question(Query(sort="gravity"), place)


def _deep_words(words: Words, dice: random.Random) -> Question:
    place = After(dice.choice((0, 1)), _number(dice, 10), UUID(int=dice.getrandbits(128)))
    return Question(Query(text=wanted(dice.choice(words.common))), place)


KINDS: Mapping[str, Asks] = {
    "rare word": lambda w, d: _text(d.choice(w.rare)),
    "common word": lambda w, d: _text(d.choice(w.common[:500]) + " " * d.randrange(9)),
    "two words of a title": lambda w, d: _text(" ".join(_title(w, d)[:2])),
    "common words that hardly meet": lambda w, d: _text(" ".join(d.sample(w.common, 3))),
    "rare and common word": lambda w, d: _text(f"{d.choice(w.rare)} {d.choice(w.common)}"),
    "phrase": _phrase,
    "prefix of three to five letters": lambda w, d: _text(d.choice(w.common)[: d.randint(3, 5)]),
    "typo": lambda w, d: _text(_slip(d.choice(w.common), d)),
    "clickbank id": lambda w, d: _text(d.choice(w.ids)),
    "excluded word": lambda w, d: _text(f"{d.choice(w.common)} -{d.choice(w.common)}"),
    "no hit": lambda w, d: _text("".join(d.choice("bcdfghjklmnpqrstvwxz") for _ in range(9))),
    "category": lambda w, d: Question(
        Query(category=d.choice(w.categories), least_gravity=_number(d, 0.6))
    ),
    "category and gravity": lambda w, d: Question(
        Query(category=d.choice(w.categories), least_gravity=_number(d, 60))
    ),
    "category and word": lambda w, d: _text(d.choice(w.common), category=d.choice(w.categories)),
    "filters by commission": lambda w, d: Question(
        Query(sort="commission", least_gravity=_number(d, 20), least_rate=_number(d, 75),
              rebill=d.choice((None, True, False)))
    ),
    "word by newest": lambda w, d: _text(d.choice(w.common), sort="newest"),
    "impossible filter": lambda w, d: _text(
        d.choice(w.common), least_commission=_number(d, 90) + 100_000
    ),
    "rising": lambda w, d: Question(Query(rising=True, least_gravity=_number(d, 30))),
    "deep page": _deep,
    "deep page of a word": _deep_words,
}  # fmt: skip


def questions(words: Words, each: int, seed: int) -> Iterator[tuple[str, Question]]:
    """`each` distinct questions of every kind, in turns."""
    dice = random.Random(seed)
    asked: dict[str, set[Question]] = {kind: set() for kind in KINDS}
    for _ in range(each):
        for kind, ask in KINDS.items():
            for _ in range(50):  # a small catalogue has no thousand of some kinds
                question = ask(words, dice)
                if question not in asked[kind]:
                    break
            asked[kind].add(question)
            yield kind, question
