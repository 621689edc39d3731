"""Enrichment: what is added, what is left, and what stays unknown."""

from ipaddress import ip_network
from typing import Any

from rules.bots import known_range
from rules.enrich import enrich

CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"


def country(address: str) -> str | None:
    return {"203.0.113.0": "NZ"}.get(address)


def test_a_visit_gets_device_system_browser_and_country() -> None:
    meta: dict[str, Any] = {"ua": CHROME, "ip": "203.0.113.0"}

    enrich(meta, country)

    assert meta == {
        "ua": CHROME,
        "ip": "203.0.113.0",
        "device": "desktop",
        "os": "Windows",
        "browser": "Chrome",
        "country": "NZ",
    }


def test_enriching_twice_changes_nothing() -> None:
    meta: dict[str, Any] = {"ua": "curl/8.5", "ip": "203.0.113.0"}
    enrich(meta, country)
    once = dict(meta)

    enrich(meta, country)

    assert meta == once
    assert (meta["bot"], meta["device"]) == ("tool", "bot")


def test_what_is_known_already_stays() -> None:
    meta: dict[str, Any] = {"ua": CHROME, "ip": "203.0.113.0", "country": "US", "device": "tv"}

    enrich(meta, country)

    assert (meta["country"], meta["device"]) == ("US", "tv")


def test_a_visitor_who_asked_for_privacy_is_no_bot() -> None:
    meta: dict[str, Any] = {"visitor": "x"}

    enrich(meta, country)

    assert meta == {"visitor": "x"}


def test_an_empty_user_agent_is_a_bot() -> None:
    meta: dict[str, Any] = {"ua": ""}

    enrich(meta, country)

    assert meta == {"ua": "", "bot": "no_user_agent"}


def test_a_prefetch_keeps_its_reason_and_its_browser() -> None:
    meta: dict[str, Any] = {"ua": CHROME, "bot": "prefetch"}

    enrich(meta, country)

    assert (meta["bot"], meta["device"]) == ("prefetch", "desktop")


def test_a_known_range_is_a_reason() -> None:
    meta: dict[str, Any] = {"ua": CHROME, "ip": "203.0.113.0"}

    enrich(meta, country, known_range((ip_network("203.0.113.0/24"),)))

    assert meta["bot"] == "known_range"


def test_values_of_other_types_are_left_alone() -> None:
    meta: dict[str, Any] = {"ua": 5, "ip": ["x"]}

    enrich(meta, country)

    assert meta == {"ua": 5, "ip": ["x"]}
