"""Destinations: which links we redirect to, and how a visitor's values get into them.

A link is compiled once, when it is saved or enters the door's cache, into literal pieces and
macros; scheme, host and port are literal by construction, so no value can change them.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from posixpath import normpath
from urllib.parse import quote, unquote

import idna

from base.errors import Refused
from schemas.fields import AD_CLICK_IDS, SUBS

MAX_LINK_BYTES = 8192
MAX_LOCATION_BYTES = 16_384  # what browsers, proxies and web servers still carry in a header
MAX_VALUE_CHARACTERS = 512
MAX_TID_CHARACTERS = 100

_IDS = ("click_id", "tracking_id", "campaign_id")
_REQUEST_MACROS = (*SUBS, *AD_CLICK_IDS)
_MACROS = frozenset((*_IDS, "source", *_REQUEST_MACROS))
_CONSUMED = frozenset((*_IDS, "source", "s", *SUBS))
# A visitor who could add these to a hoplink would redirect the commission.
_CLICKBANK_OWN = frozenset({"extclid", "tid", "affiliate", "vendor"})

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\\\\]|%0[0ad]", re.IGNORECASE)
_SHAPE = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.I | re.S)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}\.?")
# A link copied from an address bar has its braces encoded: known names count there, too.
_MACRO = re.compile(r"\{([A-Za-z0-9_]*)\}|%7B([A-Za-z0-9_]+)%7D", re.IGNORECASE)
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_KEPT_LITERAL = "%/:@!$&'()*+,;=-._~?"
_NOT_IN_TID = re.compile("[^0-9a-z_]")


@dataclass(frozen=True, slots=True)
class _Hole:
    """A macro and the literal text after it."""

    name: str
    is_tid: bool
    after: str


class Template:
    """A compiled destination; immutable, shared by all requests for its link."""

    __slots__ = ("_constant", "_fragment", "_head", "_holes", "_joiner", "_own_names", "origin")

    def __init__(self, origin: str, body: str, fragment: str, is_clickbank: bool) -> None:
        self.origin = origin  # scheme://host[:port], never touched again
        query = body.partition("?")[2]
        self._head, self._holes = _pieces(origin + body, is_clickbank)
        self._fragment = _pieces(fragment, False) if fragment else None
        self._joiner = "" if body.endswith(("?", "&")) else "&" if "?" in body else "?"
        used = {hole.name for hole in self._holes}
        self._own_names = frozenset(
            _CONSUMED | used | _names(query) | (_CLICKBANK_OWN if is_clickbank else frozenset())
        )
        whole = not self._holes and not (self._fragment and self._fragment[1])
        self._constant = self._fill({}).encode("ascii") if whole else None

    def location(
        self,
        click_id: str,
        tracking_id: str,
        campaign_id: str,
        source: str | None,
        query: dict[str, str],
        pass_through: bool,
    ) -> bytes:
        """The value of the Location header: ASCII, no spaces, no control characters.

        Macros are replaced once, percent-encoded; unknown ones and empty values leave nothing.
        With `pass_through`, other parameters of the request are added unless the link has that
        name. Past 16 kB these are left out again, then all values but the ids.
        """
        if self._constant is not None and not (pass_through and query):
            return self._constant
        values = {
            **query,
            "click_id": click_id,
            "tracking_id": tracking_id,
            "campaign_id": campaign_id,
            "source": source or "",
        }
        answer = self._fill(values, self._others(query) if pass_through and query else "")
        if len(answer) > MAX_LOCATION_BYTES:
            answer = self._fill(values)
        if len(answer) > MAX_LOCATION_BYTES:
            answer = self._fill({name: values[name] for name in _IDS})
        return answer.encode("ascii")

    def _fill(self, values: dict[str, str], others: str = "") -> str:
        answer = _join(self._head, self._holes, values)
        if others:
            answer += self._joiner + others
        if self._fragment is not None:
            answer += "#" + _join(*self._fragment, values)
        return answer

    def _others(self, query: dict[str, str]) -> str:
        own = self._own_names
        return "&".join(
            f"{encode(name)}={encode(value)}"
            for name, value in query.items()
            if name.lower() not in own
        )


def check(affiliate_link: str, own_hosts: frozenset[str] = frozenset()) -> str | None:
    """Why `affiliate_link` cannot be a destination, as one sentence; None when it can."""
    try:
        _compile(affiliate_link, own_hosts)
    except Refused as refusal:
        return str(refusal)
    return None


def compile_link(affiliate_link: str, own_hosts: frozenset[str] = frozenset()) -> Template | None:
    """The link made ready for redirects; None when it is no acceptable destination.

    `own_hosts` are this installation's `host[:port]`, lower-case: links to their /r/ would loop.
    """
    try:
        return _compile(affiliate_link, own_hosts)
    except Refused:
        return None


def encode(value: str) -> str:
    """`value` percent-encoded for any component, cut at 512 characters."""
    if value.isascii() and value.isalnum() and len(value) <= MAX_VALUE_CHARACTERS:
        return value
    return quote(value[:MAX_VALUE_CHARACTERS], safe="", errors="replace")


def _compile(link: str, own_hosts: frozenset[str]) -> Template:
    link = link.strip(" ")
    _refuse_hostile(link)
    shape = _SHAPE.fullmatch(link)
    if shape is None:
        raise Refused("The link must start with http:// or https://.")
    scheme, authority, path, query, fragment = shape.groups()
    netloc, host = _authority(authority)
    path = path or "/"
    if netloc in own_hosts and _leads_to_a_door(path):
        raise Refused("The link leads back to this tracker and would go round for ever.")
    is_clickbank = f".{host.rstrip('.')}".endswith(".hop.clickbank.net")
    if is_clickbank:
        query = _hoplink_query(query or "")
    body = _literal(path) + ("" if query is None else "?" + _literal(query))
    template = Template(
        f"{scheme.lower()}://{netloc}", body, _literal(fragment or ""), is_clickbank
    )
    if len(template._fill({})) > MAX_LINK_BYTES:
        raise Refused("The link is longer than 8,192 bytes once it is encoded.")
    return template


def _refuse_hostile(link: str) -> None:
    if not link:
        raise Refused("The link is empty.")
    try:
        size = len(link.encode())
    except UnicodeEncodeError:
        raise Refused("The link holds characters that are not text.") from None
    if size > MAX_LINK_BYTES:
        raise Refused("The link is longer than 8,192 bytes.")
    if _CONTROL.search(link):
        raise Refused("The link holds a control character, an encoded line break or a backslash.")


def _authority(authority: str) -> tuple[str, str]:
    """`host[:port]` and the host of an authority, lower-case, in punycode."""
    if "{" in authority or "}" in authority:
        raise Refused("A macro cannot stand in the host of the link.")
    if "@" in authority:
        raise Refused("The link must not hold a user name or password.")
    if authority.startswith("["):
        literal, closing, rest = authority[1:].partition("]")
        host, port = f"[{_ipv6(literal)}]", rest.removeprefix(":")
        if not closing or (rest and not rest.startswith(":")):
            raise Refused("The host of the link is not valid.")
        colon = bool(rest)
    else:
        name, separator, port = authority.partition(":")
        host, colon = _host(name), bool(separator)
    if colon and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise Refused("The port of the link must be a number from 1 to 65535.")
    return (f"{host}:{int(port)}" if colon else host), host


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise Refused("The host of the link is not valid.") from None
    if address.scope_id:
        raise Refused("The host of the link is not valid.")
    return address.compressed


def _host(name: str) -> str:
    if not name:
        raise Refused("The link has no host.")
    host = name.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise Refused("The host of the link is not a valid domain name.") from None
    if len(host) > 254 or not _HOST.fullmatch(host):
        raise Refused("The host of the link is not a valid domain name.")
    return host


def _leads_to_a_door(path: str) -> bool:
    """Whether a path on our own host may reach /r/, after what browsers make of dots."""
    first = normpath("/" + unquote(path).lstrip("/")).split("/")[1]
    return first == "r" or "{" in first


def _literal(text: str) -> str:
    """Percent-encode what may not stand in a URL, keeping escapes and macros as they are."""
    parts: list[str] = []
    end = 0
    for macro in _MACRO.finditer(text):
        if macro[1] is None and macro[2].lower() not in _MACROS:
            continue  # encoded braces around any other word are the link's own text
        parts.append(_quoted(text[end : macro.start()]))
        name = (macro[1] if macro[1] is not None else macro[2]).lower()
        parts.append(f"{{{name}}}" if name in _MACROS else "")
        end = macro.end()
    parts.append(_quoted(text[end:]))
    return "".join(parts)


def _quoted(text: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=_KEPT_LITERAL)


def _hoplink_query(query: str) -> str:
    """ClickBank: extclid is always the click id; tid is, too, where the link has none.

    The click id, since it is legal in both (a tid of other characters is dropped there) and
    older notifications bring back only the tid.
    """
    kept = [pair for pair in query.split("&") if pair and _name(pair) != "extclid"]
    tids = [pair for pair in kept if _name(pair) == "tid" and pair.partition("=")[2]]
    kept = [pair for pair in kept if _name(pair) != "tid" or pair in tids]
    return "&".join([*kept, "extclid={click_id}", *([] if tids else ["tid={click_id}"])])


def _name(pair: str) -> str:
    return unquote(pair.partition("=")[0]).lower()


def _names(query: str) -> set[str]:
    return {_name(pair) for pair in query.split("&")}


def _pieces(text: str, is_clickbank: bool) -> tuple[str, tuple[_Hole, ...]]:
    """Literal text before the first macro, then each macro with the text after it."""
    head, *rest = re.split(r"\{([a-z0-9_]+)\}", text)
    holes: list[_Hole] = []
    before = head
    for name, after in zip(rest[::2], rest[1::2], strict=True):
        parameter = before.rpartition("?")[2].rpartition("&")[2]
        is_tid = is_clickbank and _name(parameter) == "tid" and "=" in parameter
        holes.append(_Hole(name, is_tid, after))
        before += "x" + after
    return head, tuple(holes)


def _join(head: str, holes: tuple[_Hole, ...], values: dict[str, str]) -> str:
    parts = [head]
    for hole in holes:
        value = values.get(hole.name)
        if value:
            parts.append(_tid(value) if hole.is_tid else encode(value))
        parts.append(hole.after)
    return "".join(parts)


def _tid(value: str) -> str:
    """A value as ClickBank keeps it in a tid: at most 100 of 0-9, a-z and underscore."""
    return _NOT_IN_TID.sub("_", value[:MAX_TID_CHARACTERS].lower())
