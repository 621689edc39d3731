"""Own bot lists: what they name, and who wins."""

from typing import Any

import pytest

from base.errors import Refused
from rules.bot_lists import BotLists, Rule, check
from rules.enrich import enrich

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36"


def enriched(rules: list[Rule], user: str = "u", **meta: Any) -> dict[str, Any]:
    own = BotLists(rules).verdict(user, meta.get("ua"), meta.get("ip"))
    enrich(meta, lambda _: None, own=own)
    return meta


@pytest.mark.parametrize(
    ("kind", "pattern", "is_bot"),
    [
        ("agent", "WIN64; X64)", True),
        ("agent", "chrome.140", False),
        ("pattern", "chrome.1[34]", True),
        ("pattern", "^chrome", False),
        ("network", "203.0.0.0/16", True),
        ("network", "203.0.113.0/24", True),
        ("network", "203.0.112.0/24", False),
        ("network", "2001:db8::/32", False),
        ("network", "0.0.0.0/0", True),
    ],
)
def test_a_rule_names_whom_it_fits(kind: str, pattern: str, is_bot: bool) -> None:
    meta = enriched([(None, kind, pattern, "own_list")], ua=CHROME, ip="203.0.113.0")

    assert meta.get("bot") == ("own_list" if is_bot else None)
    assert meta["device"] == "desktop"


def test_a_network_of_version_six_holds_its_addresses() -> None:
    rules: list[Rule] = [(None, "network", "2001:db8::/32", "known_range")]

    assert enriched(rules, ip="2001:db8:7::")["bot"] == "known_range"
    assert "bot" not in enriched(rules, ip="2001:db9::")
    assert "bot" not in enriched(rules, ip="nonsense")


def test_a_users_rule_is_nobody_elses() -> None:
    rules: list[Rule] = [("u", "agent", "chrome", "own_list")]

    assert enriched(rules, ua=CHROME)["bot"] == "own_list"
    assert "bot" not in enriched(rules, "v", ua=CHROME)


@pytest.mark.parametrize("said", [None, "burst", "known_range"])
def test_a_person_by_rule_is_one_whatever_else_says(said: str | None) -> None:
    rules: list[Rule] = [
        (None, "network", "203.0.113.0/24", "own_list"),
        ("u", "agent", "curl", "person"),
    ]

    meta = enriched(rules, ua="curl/8", ip="203.0.113.0", **({"bot": said} if said else {}))

    assert "bot" not in meta


def test_a_prefetch_stays_one() -> None:
    rules: list[Rule] = [(None, "agent", "chrome", "person")]

    assert enriched(rules, ua=CHROME, bot="prefetch")["bot"] == "prefetch"


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("pattern", "("), ("pattern", "x*"), ("agent", ""), ("agent", "\n"), ("agent", "x" * 256),
        ("network", "203.0.113.7"), ("network", "2001:db8::/64"), ("network", "here"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_rule_is_refused_and_stops_no_other(kind: str, pattern: str) -> None:
    bad, good = (None, kind, pattern, "own_list"), (None, "agent", "chrome", "own_list")

    lists = BotLists([bad, good])

    assert lists.unread == [bad]
    assert lists.verdict("u", CHROME, None) == "own_list"
    with pytest.raises(Refused):
        check(kind, pattern)


def test_a_costly_pattern_takes_linear_time() -> None:
    lists = BotLists([(None, "pattern", "(a+)+$", "own_list")])

    assert lists.verdict("u", "a" * 990 + "!", None) is None
