"""Addresses: whom to believe, and how much of it to keep."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.addresses import client, referrer, truncate, visitor

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "2001:DB8::7", "2001:db8::7"),
        ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("fd00::1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, garbage", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, unknown, 10.0.0.2", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7,,", "10.0.0.1"),
        ("10.0.0.1", "10.1.1.1, 10.0.0.2", "10.1.1.1"),
        ("203.0.113.9", "6.6.6.6", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fe80::1%eth0", None, "fe80::1"),
    ],
)
def test_the_right_most_hop_that_is_no_proxy_of_ours_counts(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert client(peer, forwarded, PROXIES) == address


def test_nobody_is_believed_without_trusted_proxies() -> None:
    assert client("203.0.113.9", "6.6.6.6", ()) == "203.0.113.9"


def test_a_header_of_100_kb_is_harmless() -> None:
    assert client("10.0.0.1", "6.6.6.6, " * 12_000 + "203.0.113.7", PROXIES) == "203.0.113.7"


@given(st.text(max_size=100), st.none() | st.text(max_size=200))
def test_any_header_gives_some_address(peer: str, forwarded: str | None) -> None:
    assert "\0" not in client(peer, forwarded, PROXIES)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("203.0.113.0", "203.0.113.0"),
        ("garbage", ""),
        ("", ""),
    ],
)
def test_addresses_are_truncated(address: str, network: str) -> None:
    assert truncate(address) == network


def test_a_visitor_is_another_one_tomorrow_elsewhere_and_with_another_secret() -> None:
    known = (b"secret", "2026-11-22", "user", "203.0.113.7", "Mozilla")

    first = visitor(*known)

    assert first == visitor(*known)
    assert len(first) == 32
    others = {
        visitor(b"other", *known[1:]),
        visitor(known[0], "2026-11-23", *known[2:]),
        visitor(*known[:2], "other", *known[3:]),
        visitor(*known[:3], "203.0.113.8", known[4]),
        visitor(*known[:4], "Mozilla\ud800"),
    }
    assert len(others | {first}) == 6


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        ("", None),
        ("https://User:Pass@Site.Example/Page?q=secret#part", "https://site.example/Page"),
        ("https://site.example?token=x", "https://site.example"),
        ("https://site.example/a\r\nb", "https://site.example/ab"),
        ("android-app://com.example/", "android-app://com.example/"),
        ("javascript:alert(1)", None),
        ("about:blank", None),
        ("https://", None),
    ],
)
def test_referrers_lose_what_is_private(value: str | None, kept: str | None) -> None:
    assert referrer(value) == kept


def test_a_long_referrer_is_cut() -> None:
    assert len(referrer("https://site.example/" + "x" * 9000) or "") == 1000


def test_a_referrer_ends_where_its_text_ends() -> None:
    assert referrer(" https://page.example ?a=b") == "https://page.example"
