"""The structure of a marketplace feed: XML comes in by pieces, sites come out.

Expat without a tree: only the texts of the site at hand are kept. It opens nothing by itself: no
DTD, no entity of a file or an address. Whatever else could make it keep more is bounded here.
"""

import html.entities
from collections.abc import Callable
from typing import NamedTuple, NoReturn
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, XMLParserType, errors

from integrations.feed_files import FeedRefused
from integrations.feed_plain import END, Layouts, is_odd
from integrations.feed_text import meant

_MOST_PROLOG = 1 << 20  # bytes before the first element
_MOST_TOKEN = 4 << 20  # bytes of a tag or a comment
_MOST_TEXTS = 8 << 20  # characters within a site
_MOST_BETWEEN = 64 << 20  # bytes from one site to the next
_PIECE_COSTS = 50  # a text between two tags takes memory as if it had so many characters more
_MOST_DEPTH = 100
_MOST_NAMES = 10_000  # of elements and attributes
_MOST_STANDS_FOR = 200  # characters of a declared entity
_MOST_NAME = 1_000  # characters of a category
_MOST_ID = 100
_MOST_REST = 1 << 20  # characters of a site that is taken the short way
_MOST_HELD = 10_000  # sites that wait for their category's name

_CUT = frozenset(
    errors.codes[said]
    for said in (
        errors.XML_ERROR_NO_ELEMENTS,
        errors.XML_ERROR_UNCLOSED_TOKEN,
        errors.XML_ERROR_PARTIAL_CHAR,
        errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
_ENTITIES = html.entities.html5
_PREDEFINED = frozenset({"amp", "lt", "gt", "quot", "apos"})


class Site(NamedTuple):
    """One listing, in the feed's own texts.

    `clickbank_id` is trimmed and in lower case, `path` the names of the categories around it from
    the main one down, `rank` its place in the last of them. `elements` holds all that stands
    within it, '' for what is empty; of an element that is repeated, the first that is not.
    """

    clickbank_id: str
    path: tuple[str, ...]
    rank: str | None
    elements: dict[str, str]


class _Category:
    """An open one; its name is None until it is told, '' when it goes without."""

    def __init__(self, above: "_Category | None") -> None:
        self.above = above
        self.name: str | None = None

    def path(self) -> tuple[str, ...]:
        """The names from the main category down."""
        above = self.above.path() if self.above else ()
        return (*above, self.name) if self.name else above


class Listing:
    """`take` the pieces, and after each the sites that are `ready`; clear them then.

    `skipped` counts sites without an id that could be one. Every damage is a `FeedRefused`.
    """

    def __init__(self) -> None:
        self.ready: list[Site] = []
        self.skipped = 0
        self._sites = self._sites_before = 0
        self._fed = self._fed_at_site = 0  # bytes
        self._prefix = ""  # of a namespace, on all names
        self._outside: list[str] = []  # the elements that are open, down to the site
        self._inside: list[str] = []  # those that are open within the site
        self._has_root = False
        self._category: _Category | None = None
        self._path: tuple[str, ...] = ()
        self._unnamed = 0  # open categories that have not told their names yet
        self._named_at = 0  # how deep the name stands that is being read; 0: none
        self._held: list[tuple[_Category | None, Site]] = []
        self._texts: list[str] = []
        self._characters = 0
        self._elements: dict[str, str] = {}
        self._layouts = Layouts()
        self._rest = ""  # from behind a site on, what has not been looked at yet
        self._lines = 0  # that the parser has not seen
        self._left_at = -1  # the parser's byte where it has last left a site
        self._is_behind_site = False  # whether that is where it stands
        self._parser = self._make()

    def _make(self) -> XMLParserType:
        parser = ParserCreate("utf-8", intern={})
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.UseForeignDTD(True)  # then an entity that nobody has declared is no damage
        parser.StartElementHandler = self._starts
        parser.EndElementHandler = self._ends
        parser.SkippedEntityHandler = self._entity
        parser.EntityDeclHandler = self._declares
        parser.AttlistDeclHandler = self._defaults
        return parser

    def take(self, text: str, *, is_last: bool) -> None:
        """Read on; `text` has no carriage returns."""
        text, at = self._rest + text, 0
        self._rest = ""
        odd = is_odd(text)
        while True:
            if self._is_behind_site and not odd:
                at = self._take_plain(text, at)
            end = text.find(END, at)
            if end < 0:
                break
            self._parse(text[at : end + len(END)])
            at = end + len(END)
        if self._is_behind_site and not is_last and len(text) - at < _MOST_REST:
            self._rest = text[at:]
        else:
            self._parse(text[at:], is_last=is_last)

    def _take_plain(self, text: str, at: int) -> int:
        """Take the plain sites that follow upon one another; returns where something else is."""
        began = at
        while found := self._layouts.take(text, at):
            elements, at = found
            self._list(elements)
        self._lines += text.count("\n", began, at)
        return at

    def _parse(self, text: str, *, is_last: bool = False) -> None:
        data = text.encode()
        self._fed += len(data)
        try:
            self._parser.Parse(data, is_last)
        except ExpatError as error:
            self._refuse(error.lineno, _said(error, is_last=is_last))
        # Otherwise this site's end stands in a comment, or the like.
        self._is_behind_site = self._left_at == self._fed - len(END)
        if self._sites != self._sites_before:
            self._sites_before, self._fed_at_site = self._sites, self._fed
        elif self._fed - self._fed_at_site > _MOST_BETWEEN:
            self._refuse_here(f"holds {_MOST_BETWEEN >> 20} MiB without a product")
        if self._fed - self._parser.CurrentByteIndex > _MOST_TOKEN + len(data):
            self._refuse_here("holds a tag or a comment that does not end")
        if not self._has_root and self._fed > _MOST_PROLOG:
            self._refuse_here("has no element at its beginning")
        if len(self._parser.intern) > _MOST_NAMES:
            self._refuse_here("holds too many different elements")

    # Outside of sites

    def _starts(self, name: str, _: object) -> None:
        if not self._has_root:
            self._root(name)
        name = name.removeprefix(self._prefix)
        self._outside.append(name)
        if name == "Site":
            self._enter()
        elif len(self._outside) > _MOST_DEPTH:
            self._refuse_here("holds elements within elements without an end")
        elif name == "Category":
            self._category = _Category(self._category)
            self._unnamed += 1
        elif name == "Name" and self._outside[-2:-1] == ["Category"] and self._is_unnamed():
            self._named_at = len(self._outside)
            self._listen(self._text)

    def _ends(self, _: str) -> None:
        if len(self._outside) == self._named_at:
            self._named_at = 0
            self._name("".join(self._texts).strip())
            self._listen(None)
        if self._outside.pop() == "Category" and self._category is not None:
            if self._category.name is None:
                self._category.name = ""
                self._unnamed -= 1
            self._category = self._category.above
            self._settle()

    def _root(self, name: str) -> None:
        self._has_root = True
        prefix, colon, local = name.rpartition(":")
        self._prefix = prefix + colon
        if local.lower() == "html":
            raise FeedRefused("html", "The feed is a web page: its address leads elsewhere now.")
        if local != "Catalog":
            self._refuse_here(f"holds {local[:40]!r} where Catalog should be")

    def _is_unnamed(self) -> bool:
        return self._category is not None and self._category.name is None

    def _name(self, text: str) -> None:
        if text and self._category is not None:
            self._category.name = meant(text[:_MOST_NAME])
            self._unnamed -= 1
            self._settle()

    def _settle(self) -> None:
        """Let those go on that have waited for a name, once none is missing."""
        if self._unnamed:
            return
        self._path = self._category.path() if self._category else ()
        for category, site in self._held:
            self.ready.append(site._replace(path=category.path() if category else ()))
        self._held.clear()

    def _give_up(self) -> None:
        """Whoever has not told its name after so many sites goes without."""
        one = self._category
        while one is not None:
            one.name = one.name or ""
            one = one.above
        self._unnamed = 0
        self._settle()

    def _listen(self, handler: Callable[[str], None] | None) -> None:
        self._texts.clear()
        self._characters = 0
        self._parser.CharacterDataHandler = handler

    def _text(self, text: str) -> None:
        self._characters += len(text) + _PIECE_COSTS
        if self._characters > _MOST_TEXTS:
            self._refuse_here(
                f"holds more than {_MOST_TEXTS >> 20} million characters in one place"
            )
        self._texts.append(text)

    def _entity(self, name: str, _: object) -> None:
        if self._parser.CharacterDataHandler is not None:
            self._text(_ENTITIES.get(f"{name};") or f"&{name};")

    # Within a site

    def _enter(self) -> None:
        self._elements = {}
        self._listen(self._text)
        self._parser.StartElementHandler = self._begins
        self._parser.EndElementHandler = self._finishes

    def _begins(self, name: str, _: object) -> None:
        self._inside.append(name)
        if len(self._inside) == 1:
            self._texts.clear()
        elif len(self._inside) > _MOST_DEPTH:
            self._refuse_here("holds elements within elements without an end")

    def _finishes(self, name: str) -> None:
        if not self._inside:
            self._leave()
        elif self._inside.pop() and not self._inside:
            kept = self._elements.get(name)
            if not kept or kept.isspace():
                self._elements[name] = meant("".join(self._texts))
            self._texts.clear()

    def _leave(self) -> None:
        self._parser.StartElementHandler = self._starts
        self._parser.EndElementHandler = self._ends
        self._listen(None)
        self._outside.pop()
        self._left_at = self._parser.CurrentByteIndex
        elements = self._elements
        if self._prefix:
            elements = {name.removeprefix(self._prefix): elements[name] for name in elements}
        self._list(elements)

    def _list(self, elements: dict[str, str]) -> None:
        self._sites += 1
        clickbank_id = elements.get("Id", "").strip().lower()
        if not _is_id(clickbank_id):
            self.skipped += 1
            return
        site = Site(clickbank_id, self._path, elements.get("PopularityRank"), elements)
        if not self._unnamed:
            self.ready.append(site)
            return
        self._held.append((self._category, site))
        if len(self._held) > _MOST_HELD:
            self._give_up()

    # What a document type may say

    def _declares(self, name: str, _: object, value: str | None, *__: object) -> None:
        if value is None or name in _PREDEFINED:
            return  # of a file or an address: it is never read
        if "&" in value or len(value) > _MOST_STANDS_FOR:
            self._refuse_here("holds an entity that stands for too much")

    def _defaults(self, _: str, __: str, ___: str, value: str | None, ____: object) -> None:
        if value and len(value) > _MOST_STANDS_FOR:
            self._refuse_here("holds an attribute that stands for too much")

    def _refuse_here(self, what: str) -> NoReturn:
        self._refuse(self._parser.CurrentLineNumber, what)

    def _refuse(self, line: int, what: str) -> NoReturn:
        raise FeedRefused("damaged", f"The feed {what}, in line {line + self._lines}.") from None


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _MOST_ID and text.isprintable() and " " not in text


def _said(error: ExpatError, *, is_last: bool) -> str:
    if is_last and error.code in _CUT:
        return "is cut off"
    return f"is no well-formed XML: {ErrorString(error.code)}"
