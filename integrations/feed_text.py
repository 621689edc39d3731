"""The characters of a marketplace feed: what its bytes say, and what they were meant to say.

Its texts are typed on Windows and passed on as something else: bytes of Windows-1252 turn up in
files that call themselves ISO-8859-1 or UTF-8, and as `&#150;`.
"""

import codecs
import io
import re
from collections.abc import Callable
from typing import NamedTuple

HEAD_BYTES = 1024  # in which the declaration ends
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARATION = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
# Those in which ASCII is ASCII; Python knows others that would turn angles into letters.
_PLAIN = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d|koi8-[rtu]|mac-roman")
_WINDOWS = re.compile("[\x80-\x9f]")
_MEANT = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)  # these mean nothing there, either
}
_ERRORS = "hopfleet-windows"


class Reading(NamedTuple):
    """How to read a feed: bytes of its start to skip, and what makes characters of the others."""

    skipped: int
    decode: Callable[[bytes, bool], str]  # a piece, and whether it is the last


def reading(head: bytes) -> Reading | None:
    """How to read a feed that begins with `head`; None for an encoding that nobody knows."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            skipped = 0 if b"<" in mark else len(mark)
            return Reading(skipped, _decoder(name))
    told = _DECLARATION.match(head[:HEAD_BYTES])
    named = told[1].decode().lower() if told else "utf-8"
    if named.startswith(("utf-16", "utf16", "ucs-2", "utf-32", "utf32")):
        named = "utf-8"  # it was readable as bytes, so that is not what it is
    try:
        name = codecs.lookup(named).name
    except LookupError:
        return None
    if not _PLAIN.fullmatch(name):
        return None
    name = {"iso8859-1": "latin-1", "ascii": "utf-8"}.get(name, name)
    return Reading(0, _decoder(name))


def _decoder(name: str) -> Callable[[bytes, bool], str]:
    """Lines end with \\n, whatever they end with in the file: as XML has it."""
    errors = _ERRORS if name in ("utf-8", "cp1252") else "strict"
    characters = codecs.getincrementaldecoder(name)(errors)
    return io.IncrementalNewlineDecoder(characters, translate=True).decode


def meant(text: str) -> str:
    """A text with the characters that Windows-1252 has where Unicode has controls."""
    if text.isascii() or not _WINDOWS.search(text):
        return text
    return text.translate(_MEANT)


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8 are Windows-1252; `meant` makes of them what they mean there."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_ERRORS, _as_windows)
