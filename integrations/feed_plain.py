"""The short way for a plain site: one that holds elements with a text each, and nothing else.

Nearly all are, and to split them takes a third of the time that a parser needs. What is not
plain to the letter is None here and goes the parser's way, which alone decides what is damage.
"""

import re

from integrations.feed_text import meant

CONTROLS = bytes([*range(9), 11, 12, *range(14, 32)])  # which XML forbids
_MOST_KNOWN = 4096
_CLOSING = re.compile(r"/([A-Za-z_][A-Za-z0-9_.-]*)>[ \t\n]*")
_EMPTY = re.compile(r"<([A-Za-z_][A-Za-z0-9_.-]*)[ \t\n]*/>")
_NUMBER = re.compile(r"#(?:([0-9]{1,7})|x([0-9a-fA-F]{1,6}))")
SPACE = " \t\n"

# What has been understood once: how elements end, with the space behind, and references.
_names: dict[str, str] = {}
_characters = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def fields(block: str) -> dict[str, str] | None:
    """The texts of the elements between `<Site>` and `</Site>`; None unless it is plain.

    `block` has no control characters and no carriage returns.
    """
    found = _split(block)
    if found is None and "/>" in block:
        found = _split(_EMPTY.sub(r"<\1></\1>", block))
    if found is None or ("]" in block and "]]>" in block):
        return None
    if "&" in block:
        for name, text in found.items():
            if "&" in text:
                told = _resolved(text)
                if told is None:
                    return None
                found[name] = meant(told)
    if not block.isascii():
        for name, text in found.items():
            found[name] = meant(text)
    return found


def _split(block: str) -> dict[str, str] | None:
    parts = block.split("<")
    try:
        found = dict([part.split(">", 1) for part in parts[1::2]])
    except ValueError:
        return None
    ends = parts[2::2]
    names = list(map(_names.get, ends))
    if None in names and not _learn(names, ends):
        return None
    # Also refuses an element that is repeated, or has attributes.
    if list(found) != names or len(parts) != 2 * len(ends) + 1 or parts[0].strip(SPACE):
        return None
    return found


def _learn(names: list[str | None], ends: list[str]) -> bool:
    """Fill in what is missing in `names`; False when one is no end of an element."""
    for at, end in enumerate(ends):
        if names[at] is None:
            closing = _CLOSING.fullmatch(end)
            if closing is None:
                return False
            names[at] = closing[1]
            if len(_names) < _MOST_KNOWN and len(end) < 100:
                _names[end] = closing[1]
    return True


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
