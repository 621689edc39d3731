"""What the marketplace's search told of a product, as it is kept: every value as text."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from rules.products import line

_MOST_TEXT = 500
_MOST_STATS = 60
_MOST_NAME = 100  # of a number's name, and of the number
_STATS = "marketplaceStats"
_TEXTS = ("site", "title", "url", "offerImageUrl", "affiliateToolsUrl")
_AMERICAN = re.compile(r"(\d{2})-(\d{2})-(\d{4})", re.ASCII)


def site(hit: Mapping[str, Any]) -> str:
    """Whose product it is, as products are known by; '' for nobody's."""
    told = hit.get("site")
    return line(told).lower()[:_MOST_TEXT] if isinstance(told, str) else ""


def kept(hit: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a hit, and its `stats`; what is null, empty or no plain value is left out.

    Numbers stay as they were written. `expectedReturnRate` does, too: nobody says whether it is
    a share or percent, so it is no refund rate. `activated` is the day in ISO's form.
    """
    told = {name: text for name in _TEXTS if (text := _text(hit.get(name)))}
    stats = hit.get(_STATS)
    if isinstance(stats, Mapping):
        some = list(stats.items())[:_MOST_STATS]
        texts = {line(str(name))[:_MOST_NAME]: _text(value)[:_MOST_NAME] for name, value in some}
        found = {name: text for name, text in texts.items() if text}
        if found:
            return {**told, "stats": found, **_activated(found.get("activateDate"))}
    return told


def _activated(text: str | None) -> dict[str, str]:
    found = _AMERICAN.fullmatch(text or "")
    if found is None:
        return {}
    month, day, year = map(int, found.groups())
    try:
        return {"activated": date(year, month, day).isoformat()}
    except ValueError:
        return {}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return line(value)[:_MOST_TEXT].rstrip() if isinstance(value, str) else ""
