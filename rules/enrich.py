"""Enrichment: what a worker adds to an event's metadata before it becomes a row."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from rules import bots, devices
from rules.bot_lists import PERSON

Lookup = Callable[[str], str | None]

_CACHED = 8_192

# Behind these reasons sits a browser after all: its device is worth knowing.
_WITH_BROWSER = frozenset({"prefetch", "burst", "known_range"})


def enrich(
    meta: dict[str, Any],
    country: Lookup,
    known_range: Lookup | None = None,
    own: str | None = None,
) -> None:
    """Fill `bot`, `device`, `os`, `browser` and `country` in place, from `ua` and `ip`.

    What is there already stays. A missing `ua` or `ip` says nothing (privacy signals, servers
    that post events); an empty `ua` is a visitor without one, and that is a bot. Repeatable.
    `country` and `known_range` take an address, whole or truncated. `own` is the verdict of own
    lists: `person` wins over every other reason but a prefetch, which nobody looks at.
    """
    agent, address = meta.get("ua"), meta.get("ip")
    if own is not None:
        if own != PERSON:
            meta.setdefault("bot", own)
        elif meta.get("bot") != "prefetch":
            meta.pop("bot", None)
            known_range = None
    if isinstance(agent, str):
        _fill_agent(meta, agent, own == PERSON)
    if isinstance(address, str) and address:
        if known_range is not None and "bot" not in meta and (reason := known_range(address)):
            meta["bot"] = reason
        if "country" not in meta and (code := country(address)):
            meta["country"] = code


def _fill_agent(meta: dict[str, Any], text: str, is_person: bool) -> None:
    if is_person or ("bot" in meta and meta["bot"] in _WITH_BROWSER):
        facts = _facts(text, is_person=True)
    else:
        facts = _facts(text)
    for key, value in facts:
        meta.setdefault(key, value)


@lru_cache(_CACHED)
def _facts(text: str, is_person: bool = False) -> tuple[tuple[str, str], ...]:
    """What a user agent adds; one look for the many who share it."""
    reason = None if is_person else bots.user_agent(text)
    agent = devices.read(text) if text else None
    facts = {
        "bot": reason,
        "device": agent and ("bot" if reason else agent.device),
        "os": agent and agent.os,
        "browser": agent and agent.browser,
    }
    return tuple((key, value) for key, value in facts.items() if value)
