"""Who is asking: the visitor's address behind proxies, and what of it may be kept."""

import hmac
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from base.settings import Networks
from rules.text import clean

MAX_REFERRER_CHARACTERS = 1000
_MAX_FORWARDED_CHARACTERS = 400  # eight hops of IPv6; bounds what the caches hold
_MAX_HOP_CHARACTERS = 100  # an address has 45 at most; bounds them, too
_CACHED = 32_768  # addresses are short and slow to read; 15 µs a visit without
_CACHED_VISITORS = 4096  # with whole user agents in their keys


def client(peer: str, forwarded: str | None, trusted: Networks) -> str:
    """The address of the visitor, as text.

    `peer` is who opened the connection, `forwarded` the X-Forwarded-For header (all of its
    lines, joined by commas), `trusted` our proxies. The right-most address that is not a trusted
    proxy counts; what stands left of it is hearsay. A malformed hop before it gives `peer`, and
    so does an untrusted peer.
    """
    if not forwarded or not trusted:
        return _plain(peer)
    return _finder(trusted)(peer, forwarded[-_MAX_FORWARDED_CHARACTERS:])


# One entry, by identity: hashing twenty networks at every request would cost more than the answer.
_known: tuple[Networks, Callable[[str, str], str]] | None = None


def _finder(trusted: Networks) -> Callable[[str, str], str]:
    global _known
    if _known is None or _known[0] is not trusted:
        _known = (trusted, _make_finder(trusted))
    return _known[1]


def _make_finder(trusted: Networks) -> Callable[[str, str], str]:
    @lru_cache(_CACHED)
    def is_trusted(text: str) -> bool | None:
        address = parse(text)
        return None if address is None else any(address in network for network in trusted)

    @lru_cache(_CACHED)
    def find(peer: str, forwarded: str) -> str:
        visitor = peer
        hops = forwarded.split(",")
        while is_trusted(visitor):
            if not hops:
                return _plain(visitor)  # everybody is trusted: the left-most
            visitor = _without_port(hops.pop().strip())[:_MAX_HOP_CHARACTERS]
            if is_trusted(visitor) is None:
                return _plain(peer)
        return _plain(visitor)

    return find


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(_CACHED)
def _plain(text: str) -> str:
    """An address without zone, IPv4 taken out of ::ffff:0:0/96; other text as it is, cleaned."""
    address = parse(text)
    return clean(text, 45) if address is None else str(address)


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, without zone, IPv4 taken out of ::ffff:0:0/96; None when none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(_CACHED)
def truncate(address: str) -> str:
    """The network of an address as text: /24 of IPv4, /48 of IPv6; empty when it is neither.

    `203.0.113.77` becomes `203.0.113.0`: still enough for a country, no longer one visitor.
    """
    parsed = parse(address)
    if parsed is None:
        return ""
    if isinstance(parsed, IPv4Address):
        return str(IPv4Address(int(parsed) & 0xFFFFFF00))
    return str(IPv6Address(int(parsed) >> 80 << 80))


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    return parse(text) is not None


# A page's view, its beacon and the click on it come from one visitor within seconds.
@lru_cache(_CACHED_VISITORS)
def visitor(secret: bytes, day: str, user_id: str, address: str, user_agent: str) -> str:
    """Who it was, for one account and one UTC day (`2026-11-22`): 32 hex digits.

    The same visitor gets another hash tomorrow and at another account; without the secret it
    leads back to nobody.
    """
    known = f"{day}\0{user_id}\0{address}\0{user_agent}"
    return hmac.digest(secret, known.encode("utf-8", "replace"), "sha256").hex()[:32]


def referrer(value: str | None) -> str | None:
    """A referrer without credentials, query and fragment, at most 1,000 characters.

    None when there is none, or none that names a page (http, https, android-app, ios-app).
    """
    if not value:
        return None
    page = clean(value, MAX_REFERRER_CHARACTERS).partition("#")[0].partition("?")[0].strip()
    scheme, separator, rest = page.partition("://")
    if not separator or scheme.lower() not in ("http", "https", "android-app", "ios-app"):
        return None
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2].lower()
    return (
        f"{scheme.lower()}://{host}{slash}{path}"[:MAX_REFERRER_CHARACTERS].rstrip()
        if host
        else None
    )
