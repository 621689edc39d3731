"""Templates without logic: `{{ path }}` becomes a value, once; nothing else happens."""

import html
import re
from collections.abc import Mapping

from base.errors import Refused

MOST_CHARACTERS = 256 * 1024

_HOLE = re.compile(r"\{\{[ \t]*([A-Za-z0-9_.]{1,100})[ \t]*\}\}")


def render(template: str, values: Mapping[str, str], *, escape: bool = False) -> str:
    """The template filled in; a path that has no value leaves nothing.

    What a value says is never read as a template. `escape` makes values safe inside HTML and its
    quoted attributes. Raises `Refused` when the result is beyond `MOST_CHARACTERS`.
    """
    room = MOST_CHARACTERS - len(template)

    def fill(found: re.Match[str]) -> str:
        nonlocal room
        value = values.get(found[1], "")
        value = html.escape(value) if escape else value
        room -= len(value)
        if room < 0:
            raise Refused(f"The text is longer than {MOST_CHARACTERS} characters.")
        return value

    return _HOLE.sub(fill, template)
