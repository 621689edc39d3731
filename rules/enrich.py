"""Enrichment: what a worker adds to an event's metadata before it becomes a row."""

from collections.abc import Callable
from typing import Any

from rules import bots, devices

Lookup = Callable[[str], str | None]

# Behind these reasons sits a browser after all: its device is worth knowing.
_WITH_BROWSER = frozenset({"prefetch", "burst", "known_range"})


def enrich(meta: dict[str, Any], country: Lookup, known_range: Lookup | None = None) -> None:
    """Fill `bot`, `device`, `os`, `browser` and `country` in place, from `ua` and `ip`.

    What is there already stays. A missing `ua` or `ip` says nothing (privacy signals, servers
    that post events); an empty `ua` is a visitor without one, and that is a bot. Repeatable.
    `country` and `known_range` take an address, whole or truncated.
    """
    agent, address = meta.get("ua"), meta.get("ip")
    if isinstance(agent, str):
        _fill_agent(meta, agent)
    if isinstance(address, str) and address:
        if known_range is not None and "bot" not in meta and (reason := known_range(address)):
            meta["bot"] = reason
        if "country" not in meta and (code := country(address)):
            meta["country"] = code


def _fill_agent(meta: dict[str, Any], text: str) -> None:
    if "bot" not in meta and (reason := bots.user_agent(text)):
        meta["bot"] = reason
    if not text:
        return
    agent = devices.read(text)
    is_bot = "bot" in meta and meta["bot"] not in _WITH_BROWSER
    meta.setdefault("device", "bot" if is_bot else agent.device)
    if agent.os:
        meta.setdefault("os", agent.os)
    if agent.browser:
        meta.setdefault("browser", agent.browser)
