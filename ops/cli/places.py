"""Where the doors are: the addresses of a tracking id, as visitors and pages use them."""

from urllib.parse import quote, urlsplit

from base.errors import Misused
from base.settings import settings
from rules import destination


def of(tracking_id: str) -> dict[str, str]:
    """The four addresses of a tracking id."""
    base, name = settings().url, quote(tracking_id, safe="")
    return {
        "redirect_url": f"{base}/r/{name}",
        "pixel_url": f"{base}/p/{name}.gif",
        "script_url": f"{base}/t/{name}.js",
        "beacon_url": f"{base}/e/{name}",
    }


def check_destination(link: str, what: str) -> str:
    """The link when visitors may be sent there; raises `Misused` with the rule it breaks."""
    why = destination.check(link, frozenset({urlsplit(settings().url).netloc.lower()}))
    if why is not None:
        raise Misused(f"{what}: {why}")
    return link
