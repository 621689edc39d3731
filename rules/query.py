"""Query strings: what a visitor's request carries after the question mark."""

from urllib.parse import unquote, unquote_to_bytes

from rules.text import clean
from schemas.fields import VALUE_CHARACTERS

MAX_PARAMETERS = 100
MAX_NAME_CHARACTERS = 100
MAX_BYTES = 65_536


def parse(query: bytes) -> dict[str, str]:
    """The parameters of an urlencoded query or form; never raises.

    The first value of a name wins; parameters after the hundredth, nameless ones and names over
    100 characters are dropped; values are cut at 1,000 characters; control characters vanish;
    invalid UTF-8 becomes U+FFFD. Only `&` separates.
    """
    found: dict[str, str] = {}
    if not query:
        return found
    text = query[:MAX_BYTES].decode("utf-8", "replace").replace("+", " ")
    odd = not text.isprintable()  # one look at the whole spares a look at each
    for pair in text.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, _, value = pair.partition("=")
        if odd or "%" in pair:
            name, value = _cleaned(name, value)
        if len(value) > VALUE_CHARACTERS:
            value = clean(value, VALUE_CHARACTERS)
        if name and len(name) <= MAX_NAME_CHARACTERS and name not in found:
            found[name] = value
    return found


def _cleaned(name: str, value: str) -> tuple[str, str]:
    if "%" in name:
        name = _unquoted(name)
    if "%" in value:
        value = _unquoted(value)
    if not value.isprintable():
        value = clean(value, VALUE_CHARACTERS)
    if not name.isprintable():
        name = clean(name, MAX_NAME_CHARACTERS + 1)
    return name, value


def _unquoted(text: str) -> str:
    """As `unquote`, which looks for the ASCII parts of a text first: mostly all of it is one."""
    if text.isascii():
        return unquote_to_bytes(text).decode("utf-8", "replace")
    return unquote(text)
