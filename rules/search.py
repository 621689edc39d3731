"""What somebody typed to find products, as words, phrases and exclusions; nothing is refused."""

import re

from rules.products import line
from schemas.searches import Wanted

MOST_CHARACTERS, MOST_WORDS = 200, 12
LEAST_PREFIX = 3  # characters; what begins with fewer is half of the dictionary

_TOKEN = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')
_WORD = re.compile(r"[^\W_]")


def wanted(text: str | None) -> Wanted:
    """Read a search: words are all to be there, "phrases" as they stand, -words not at all.

    What is longer than 200 characters or twelve words is cut: more would only find less.
    """
    told = line(text or "")[:MOST_CHARACTERS]
    words: list[str] = []
    phrases: list[str] = []
    excluded: list[str] = []
    is_open = False
    for minus, phrase, word in _TOKEN.findall(told):
        if not _WORD.search(phrase or word):
            continue
        is_open = bool(word) and not minus
        (excluded if minus else phrases if phrase else words).append(phrase or word)
        if len(words) + len(phrases) + len(excluded) >= MOST_WORDS:
            break
    beginning = None
    if is_open and len(words[-1]) >= LEAST_PREFIX and words[-1].isalnum():
        beginning = words.pop()
    return Wanted(tuple(words), tuple(phrases), tuple(excluded), beginning)
