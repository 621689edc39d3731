"""Where a click came from, and which request parameters are kept with it."""

from functools import lru_cache

from schemas.fields import AD_CLICK_IDS, SOURCE_CHARACTERS, SUBS

_KEPT = frozenset((*SUBS, *AD_CLICK_IDS))
MAX_UTM = 20  # utm_* is an open family: bounded, so that a row stays small


def source(query: dict[str, str], referrer: str | None) -> tuple[str | None, bool]:
    """The traffic source, and whether it had to be cut at 255 characters.

    The first that is not empty of `source`, `s`, `utm_source`, and the referrer's host. A cut is
    flagged as `metadata.source_cut`.
    """
    name = (
        query.get("source")
        or query.get("s")
        or query.get("utm_source")
        or (referrer_host(referrer) if referrer else None)
    )
    if name is None or len(name) <= SOURCE_CHARACTERS:
        return name, False
    return name[:SOURCE_CHARACTERS], True


def referrer_host(referrer: str) -> str | None:
    """The host of a referrer, lower-case, without port and credentials; None when it has none."""
    return _host(referrer[:600])  # a host has 253 characters; bounds what the cache holds


@lru_cache(512)
def _host(referrer: str) -> str | None:
    _, separator, rest = referrer.partition("://")
    if not separator:
        return None
    authority = rest.replace("?", "/", 1).replace("#", "/", 1).partition("/")[0]
    authority = authority.rpartition("@")[2].lower()
    if authority.startswith("["):
        return authority.partition("]")[0].strip("[") or None
    return authority.partition(":")[0] or None


def click_metadata(query: dict[str, str]) -> dict[str, str]:
    """The parameters worth keeping: sub1…sub20, utm_*, and ad networks' click ids."""
    kept: dict[str, str] = {}
    utm = 0
    for name, value in query.items():
        if not value:
            continue
        if name in _KEPT:
            kept[name] = value
        elif name.startswith("utm_") and utm < MAX_UTM:
            utm += 1
            kept[name] = value
    return kept
