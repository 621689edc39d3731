"""Bots: named when they are, left alone when they are people."""

from ipaddress import ip_network

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from rules.bots import known_range, prefetch, user_agent

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        (None, "no_user_agent"),
        ("", "no_user_agent"),
        ("  ", "no_user_agent"),
        ("curl/8.5.0", "tool"),
        ("Wget/1.21", "tool"),
        ("python-requests/2.31.0", "tool"),
        ("python-httpx/0.28", "tool"),
        ("Go-http-client/2.0", "tool"),
        ("okhttp/4.9.3", "tool"),
        ("Java/17.0.1", "tool"),
        ("node", "tool"),
        ("Mozilla/5.0", "tool"),
        (f"{CHROME} HeadlessChrome/120.0.0.0 Safari/537.36", "headless"),
        ("facebookexternalhit/1.1", "preview"),
        ("WhatsApp/2.23.20.0", "preview"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "preview"),
        ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "monitoring"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler"),
        ("my-own-bot/1.0", "crawler"),
    ],
)
def test_a_bot_is_named_by_its_kind(agent: str | None, reason: str) -> None:
    assert user_agent(agent) == reason


@pytest.mark.parametrize(
    "agent",
    [
        f"{CHROME} Chrome/131.0.0.0 Safari/537.36",
        f"{CHROME} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Instagram 300",
        "Mozilla/5.0 (Linux; Android 13) Chrome/112 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/400]",
        "Mozilla/5.0 (Linux; Android 9; CUBOT X18) Chrome/80.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) SamsungBrowser/3.1 Chrome/76 TV Safari/537.36",
    ],
)
def test_people_are_left_alone(agent: str) -> None:
    assert user_agent(agent) is None


def test_the_whole_list_of_crawlers_is_known() -> None:
    instances = [agent for known in CRAWLER_USER_AGENTS_DATA for agent in known["instances"]]

    missed = [agent for agent in instances if agent.strip() and user_agent(agent) is None]
    assert missed == []


@given(st.text(max_size=2000))
def test_any_text_gets_a_verdict(agent: str) -> None:
    assert user_agent(agent) in {
        *(None, "no_user_agent", "tool", "headless", "preview", "monitoring", "crawler"),
    }


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, None),
        ({"sec-purpose": "prefetch;prerender"}, "prefetch"),
        ({"purpose": "Prefetch"}, "prefetch"),
        ({"x-purpose": "preview"}, "prefetch"),
        ({"x-moz": "prefetch"}, "prefetch"),
        ({"sec-purpose": "navigation"}, None),
    ],
)
def test_prefetches_are_no_visits(headers: dict[str, str], reason: str | None) -> None:
    assert prefetch(headers) == reason


def test_known_ranges_name_the_addresses_inside() -> None:
    search = known_range((ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")), "cloud")

    assert search("198.51.100.7") == "cloud"
    assert search("2001:db8:1::") == "cloud"
    assert search("203.0.113.7") is None
    assert search("garbage") is None
    assert known_range(())("198.51.100.7") is None
