"""Devices: what a user agent says about the machine, its system and its browser."""

from functools import cache, lru_cache
from typing import Literal, NamedTuple

from ua_parser import Domain, load_builtins
from ua_parser.regex import Resolver

Device = Literal["desktop", "mobile", "tablet", "tv", "bot", "other"]

_MAX_CHARACTERS = 1000
_CACHED = 8192

# Words in lower case, in this order: a television says Android, too, and a tablet says nearly
# what a telephone says. Plain words, since a regular expression took 30 µs over all of them.
_TV = (
    *("smart-tv", "smarttv", "smart tv", "appletv", "apple tv", "googletv", "google tv"),
    *("android tv", "hbbtv", "web0s", "netcast", "viera", "bravia", "roku", "crkey"),
    *("; aft", " aft", " tv ", "dtv", "philipstv", "chromecast"),
)
_TABLET = ("ipad", "tablet", "playbook", "kindle")
_TABLET_UNLESS_MOBILE = ("android", "silk")
_MOBILE = (
    *("mobi", "iphone", "ipod", "android", "windows phone", "blackberry", "bb10"),
    *("opera mini", "symbian", "kaios"),
)
_DESKTOP = ("windows nt", "windows 9", "macintosh", "mac os x", "x11", "linux", "cros ", "win98")


class Agent(NamedTuple):
    """What a user agent says; `os` and `browser` are families such as `iOS` and `Firefox`."""

    device: Device
    os: str | None
    browser: str | None


def read(user_agent: str) -> Agent:
    """The device class and families of a user agent; never raises."""
    return _read(user_agent[:_MAX_CHARACTERS])


def prepare() -> None:
    """Build the matchers (a quarter of a second); call at a worker's start."""
    _resolver()


@cache
def _resolver() -> Resolver:
    return Resolver(load_builtins())


@lru_cache(_CACHED)
def _read(user_agent: str) -> Agent:
    text = user_agent.encode("utf-8", "replace").decode()
    found = _resolver()(text, Domain.USER_AGENT | Domain.OS)
    return Agent(
        _device(text),
        found.os.family if found.os else None,
        found.user_agent.family if found.user_agent else None,
    )


def _device(text: str) -> Device:
    text = text.lower()
    if _has(text, _TV):
        return "tv"
    if _has(text, _TABLET) or ("mobile" not in text and _has(text, _TABLET_UNLESS_MOBILE)):
        return "tablet"
    if _has(text, _MOBILE):
        return "mobile"
    return "desktop" if _has(text, _DESKTOP) else "other"


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
