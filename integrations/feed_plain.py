"""The short way for a plain site: one that holds elements with a text each, and nothing else.

Nearly all are, and few layouts (which elements, with which space between) make up a feed. A
layout that has been seen becomes a pattern, which takes a fifth of the time of a parser. What is
not plain to the letter goes the parser's way, which alone decides what is damage.
"""

import re
from typing import NamedTuple

from integrations.feed_text import meant

START, END = "<Site>", "</Site>"
_MOST_LAYOUTS = 24  # each new site is held against all of them
_MOST_ELEMENTS = 90
_MOST_KNOWN = 4096
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32)])  # which XML forbids
_SPACE = "[ \\t\\n]*+"
_NAME = "[A-Za-z_][A-Za-z0-9_.-]*+"
_ELEMENT = re.compile(f"({_SPACE})<({_NAME})(?:({_SPACE}/>)|>[^<]*+</\\2({_SPACE})>)")
_NUMBER = re.compile(r"#(?:([0-9]{1,7})|x([0-9a-fA-F]{1,6}))")

# What references stand for; those by numbers are added as they come.
_characters = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class _Layout(NamedTuple):
    names: tuple[str, ...]
    pattern: re.Pattern[str]  # of space and a site; its groups are the elements' texts


class Layouts:
    """What the sites of one feed look like."""

    def __init__(self) -> None:
        self._known: list[_Layout] = []  # the one that has fitted last is the first

    def take(self, text: str, at: int) -> tuple[dict[str, str], int] | None:
        """The elements of the site that follows behind space, and where it ends.

        None when it is not plain, or has not come to its end. `text` has passed `is_odd`.
        """
        for place, layout in enumerate(self._known):
            found = layout.pattern.match(text, at)
            if found is not None:
                if place:
                    self._known.insert(0, self._known.pop(place))
                break
        else:
            layout, found = self._learnt(text, at)
            if found is None:
                return None
        elements = dict(zip(layout.names, found.groups(), strict=True))
        block = found[0]
        if "&" in block:
            for name, value in elements.items():
                if "&" in value:
                    told = _resolved(value)
                    if told is None:
                        return None
                    elements[name] = meant(told)
        if not block.isascii():
            for name, value in elements.items():
                elements[name] = meant(value)
        return elements, found.end()

    def _learnt(self, text: str, at: int) -> tuple[_Layout, re.Match[str] | None]:
        end = text.find(END, at)
        start = text.find(START, at, end)
        layout = None
        if len(self._known) < _MOST_LAYOUTS and 0 <= start < end:
            layout = _layout(text[start + len(START) : end])
        if layout is None:
            return _NONE, None
        found = layout.pattern.match(text, at)
        if found is not None:
            self._known.insert(0, layout)
        return layout, found


_NONE = _Layout((), re.compile("(?!)"))


def _layout(block: str) -> _Layout | None:
    """How that site is laid out; None unless it is plain and names no element twice."""
    names, parts, at = [], [_SPACE, START], 0
    while found := _ELEMENT.match(block, at):
        space, name, empty, closing = found.groups()
        tag = re.escape(name)
        names.append(name)
        parts.append(space)
        parts.append(f"<{tag}{empty}()" if empty else f"<{tag}>([^<]*+)</{tag}{closing}>")
        at = found.end()
    rest = block[at:]
    if rest.strip(" \t\n") or len(set(names)) < len(names) or not 0 < len(names) < _MOST_ELEMENTS:
        return None
    return _Layout(tuple(names), re.compile("".join([*parts, rest, END])))


def is_odd(text: str) -> bool:
    """Whether it holds what XML forbids, or may: then the parser is to say so."""
    data = text.encode()
    return (
        len(data) != len(data.translate(None, _CONTROLS))
        or "\ufffe" in text
        or "\uffff" in text
        or "]]>" in text
    )


def _resolved(text: str) -> str | None:
    """A text without its references; None when one is not XML's own."""
    parts = text.split("&")
    for at in range(1, len(parts)):
        reference, semicolon, rest = parts[at].partition(";")
        character = _characters.get(reference) or _numbered(reference)
        if not semicolon or not character:
            return None
        parts[at] = character + rest
    return "".join(parts)


def _numbered(reference: str) -> str | None:
    """The character of `#233` or `#xE9`, if XML allows it."""
    number = _NUMBER.fullmatch(reference)
    if number is None:
        return None
    code = int(number[1]) if number[1] else int(number[2], 16)
    if 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000:
        character = chr(code)
        if len(_characters) < _MOST_KNOWN:
            _characters[reference] = character
        return character
    return None
