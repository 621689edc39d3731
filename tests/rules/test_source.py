"""Sources: who is named first, and what is kept beside."""

import pytest

from rules.source import click_metadata, referrer_host, source


@pytest.mark.parametrize(
    ("query", "referrer", "name"),
    [
        ({"source": "a", "s": "b", "utm_source": "c"}, "https://d.example/", "a"),
        ({"source": "", "s": "b", "utm_source": "c"}, None, "b"),
        ({"utm_source": "c"}, "https://d.example/", "c"),
        ({}, "https://D.example:8080/page", "d.example"),
        ({}, None, None),
        ({}, "nonsense", None),
    ],
)
def test_the_first_named_source_counts(
    query: dict[str, str], referrer: str | None, name: str | None
) -> None:
    assert source(query, referrer) == (name, False)


def test_a_long_source_is_cut_and_flagged() -> None:
    assert source({"source": "x" * 300}, None) == ("x" * 255, True)


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://user:pass@site.example/x", "site.example"),
        ("https://[2001:db8::1]:80/", "2001:db8::1"),
        ("https://site.example?x=@y", "site.example"),
        ("https://", None),
    ],
)
def test_a_referrers_host_is_found(referrer: str, host: str | None) -> None:
    assert referrer_host(referrer) == host


def test_sub_ids_campaign_tags_and_ad_click_ids_are_kept() -> None:
    query = {"sub1": "a", "sub20": "b", "sub21": "c", "utm_medium": "m", "fbclid": "f", "x": "y"}

    kept = click_metadata(query | {"gclid": ""})

    assert kept == {"sub1": "a", "sub20": "b", "utm_medium": "m", "fbclid": "f"}


def test_invented_campaign_tags_are_bounded() -> None:
    assert len(click_metadata({f"utm_{n}": "x" for n in range(100)})) == 20
