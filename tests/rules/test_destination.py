"""Destinations: what is refused, what macros become, and what they can never change."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.destination import MAX_LOCATION_BYTES, check, compile_link
from rules.query import parse

CLICK = "0192f0c1a2b37c4d8e5f60718293a4b5"
HEADER_SAFE = re.compile(rb"[!-~]+")


def go(
    link: str,
    query: dict[str, str] | None = None,
    source: str | None = None,
    pass_through: bool = False,
) -> str:
    template = compile_link(link)
    assert template is not None, check(link)
    return template.location(CLICK, "summer", "c1", source, query or {}, pass_through).decode()


@pytest.mark.parametrize(
    "link",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://example.com/",
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "https://",
        "https://?x=1",
        "https://good.example@evil.example/",
        "https://user:password@example.com/",
        "https://example.com\\@evil.example/",
        "https://example.com/a\\b",
        "ht tps://example.com/",
        "java\tscript:alert(1)",
        "https\n://example.com/",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/%0d%0aSet-Cookie:a=b",
        "https://example.com/%0A",
        "https://example.com/%00",
        "https://example.com/\0",
        "https://example.com/\x7f",
        "https://example.com/\x85",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:99999999/",
        "https://example.com:/",
        "https://example.com:8a/",
        "https://example.com:\uff18\uff10/",
        "https://exa mple.com/",
        "https://ex%61mple.com/",
        "https://evil\uff0fexample.com/",
        "https://a..example/",
        "https://[::1/",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://{sub1}/",
        "https://{sub1}.example.com/",
        "https://example.com:{sub1}/",
        "https://example.com{sub1}/",
        "https://%7Bsub1%7D.example.com/",
        "{sub1}://example.com/",
        "https://example.com/" + "a" * 8200,
        "https://example.com/" + "\U0001f600" * 1000,
        "https://example.com/\ud800",
    ],
)
def test_a_link_that_is_no_safe_destination_is_refused_with_a_sentence(link: str) -> None:
    reason = check(link)

    assert reason is not None
    assert reason.endswith(".")
    assert compile_link(link) is None


@pytest.mark.parametrize(
    ("link", "location"),
    [
        ("https://example.com", "https://example.com/"),
        ("  https://example.com/a ", "https://example.com/a"),
        ("HTTPS://EXAMPLE.com/Path?Q=1", "https://example.com/Path?Q=1"),
        ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x"),
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://b\u00fccher.example/\u00e4", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://stra\u00dfe.example/", "https://xn--strae-oqa.example/"),
        ("https://example.com/a b?c=d e", "https://example.com/a%20b?c=d%20e"),
        ('https://example.com/"<x>', "https://example.com/%22%3Cx%3E"),
        ("https://example.com/100%?a=%41", "https://example.com/100%25?a=%41"),
        ("https://example.com?x=1#part", "https://example.com/?x=1#part"),
        ("https://example.com/%7Bmine%7D", "https://example.com/%7Bmine%7D"),
    ],
)
def test_a_good_link_stays_what_it_is(link: str, location: str) -> None:
    assert check(link) is None
    assert go(link) == location


def test_macros_are_replaced_in_path_query_and_fragment() -> None:
    link = "https://example.com/{tracking_id}/x?c={click_id}&s={source}&g={gclid}&k={campaign_id}#{sub20}"

    location = go(link, {"gclid": "g1", "sub20": "end"}, "my source")

    assert location == f"https://example.com/summer/x?c={CLICK}&s=my%20source&g=g1&k=c1#end"


def test_macros_copied_from_an_address_bar_or_in_capitals_count() -> None:
    assert go("https://example.com/?a=%7Bsub1%7D&b={SUB1}", {"sub1": "v"}) == (
        "https://example.com/?a=v&b=v"
    )


def test_unknown_macros_and_empty_values_leave_nothing() -> None:
    assert go("https://example.com/?a={nothing}&b={sub1}&c={}") == "https://example.com/?a=&b=&c="


def test_a_macro_inside_a_value_is_not_replaced_again() -> None:
    location = go("https://example.com/?a={sub1}", {"sub1": "{click_id}"})

    assert location == "https://example.com/?a=%7Bclick_id%7D"


@pytest.mark.parametrize(
    "value", ["a&b=c", "#x", "?", '"', "<script>", "/../", "@evil", "%0a", "\u00e4", "\r\nX: y"]
)
def test_a_value_stays_one_component(value: str) -> None:
    location = go("https://example.com/?a={sub1}&z=1", {"sub1": value})

    assert parse_qs(urlsplit(location).query) == {"a": [value], "z": ["1"]}


def test_an_escape_cannot_be_completed_by_a_value() -> None:
    assert go("https://example.com/?a=%{sub1}", {"sub1": "0a"}) == "https://example.com/?a=%250a"
    assert go("https://example.com/?a=%0{sub1}", {"sub1": "a"}) == "https://example.com/?a=%250a"


def test_clickbank_links_get_the_click_id_as_extclid_and_tid() -> None:
    assert go("https://hop.clickbank.net/?affiliate=me&vendor=shop") == (
        f"https://hop.clickbank.net/?affiliate=me&vendor=shop&extclid={CLICK}&tid={CLICK}"
    )
    assert go("https://me.shop.hop.clickbank.net") == (
        f"https://me.shop.hop.clickbank.net/?extclid={CLICK}&tid={CLICK}"
    )


def test_a_clickbank_link_keeps_its_own_tid_but_never_its_extclid() -> None:
    assert go("https://hop.clickbank.net/?tid=mine&extclid=old&EXTCLID=x") == (
        f"https://hop.clickbank.net/?tid=mine&extclid={CLICK}"
    )


def test_an_empty_tid_counts_as_none() -> None:
    assert go("https://hop.clickbank.net/?tid=&vendor=v") == (
        f"https://hop.clickbank.net/?vendor=v&extclid={CLICK}&tid={CLICK}"
    )


def test_a_macro_in_a_tid_is_put_into_the_characters_clickbank_keeps() -> None:
    location = go("https://hop.clickbank.net/?tid={sub1}&a={sub1}", {"sub1": "Mail-12 X" * 20})

    query = parse_qs(urlsplit(location).query)
    assert re.fullmatch("[0-9a-z_]{100}", query["tid"][0])
    assert query["a"] == ["Mail-12 X" * 20]


@pytest.mark.parametrize(
    "link", ["https://evilhop.clickbank.net/", "https://hop.clickbank.net.evil.example/"]
)
def test_hosts_that_only_look_like_clickbank_get_nothing(link: str) -> None:
    assert CLICK not in go(link)


def test_other_parameters_pass_through_without_overriding_the_links_own() -> None:
    query = {"utm_source": "a b", "gclid": "g", "x": "evil", "X": "evil", "sub1": "s", "s": "fb"}

    location = go("https://example.com/?x=1#part", query, "fb", pass_through=True)

    assert location == "https://example.com/?x=1&utm_source=a%20b&gclid=g#part"


def test_parameters_do_not_pass_through_unless_the_campaign_says_so() -> None:
    assert go("https://example.com/", {"a": "b"}) == "https://example.com/"


@pytest.mark.parametrize("name", ["affiliate", "vendor", "tid", "extclid", "Affiliate"])
def test_a_visitor_cannot_redirect_a_commission(name: str) -> None:
    link = "https://me.shop.hop.clickbank.net/"

    assert go(link, {name: "thief"}, pass_through=True) == go(link)


def test_a_macros_parameter_is_not_passed_through_twice() -> None:
    location = go("https://example.com/?click={gclid}", {"gclid": "g"}, pass_through=True)

    assert location == "https://example.com/?click=g"


def test_a_location_past_what_headers_carry_loses_its_extras_but_not_its_ids() -> None:
    macros = "&".join(f"p{n}={{sub{n}}}" for n in range(1, 21))
    query = {f"sub{n}": "\U0001f600" * 1000 for n in range(1, 21)}

    location = go(f"https://example.com/?c={{click_id}}&{macros}", query)

    assert len(location) <= MAX_LOCATION_BYTES
    assert f"c={CLICK}" in location


@pytest.mark.parametrize(
    "link",
    [
        "https://go.example/r/abc",
        "https://go.example//r/abc",
        "https://go.example/%72/abc",
        "https://go.example/x/../r/abc",
        "https://go.example/{sub1}/abc",
    ],
)
def test_a_link_back_to_our_own_redirects_is_refused(link: str) -> None:
    own = frozenset({"go.example"})

    assert compile_link(link, own) is None
    assert compile_link("https://go.example/landing", own) is not None
    assert compile_link("https://go.example:8443/r/abc", own) is not None


VALUES = st.dictionaries(
    st.one_of(st.sampled_from(["sub1", "sub2", "gclid", "tid", "x", "a&b", "s"]), st.text()),
    st.text(),
    max_size=8,
)


@given(
    tail=st.text(max_size=60),
    query=VALUES,
    source=st.none() | st.text(),
    pass_through=st.booleans(),
    host=st.sampled_from(["example.com:8443", "hop.clickbank.net", "b\u00fccher.example"]),
)
def test_no_value_changes_the_origin_or_breaks_the_header(
    tail: str, query: dict[str, str], source: str | None, pass_through: bool, host: str
) -> None:
    template = compile_link(f"https://{host}/{{sub1}}?a={{sub2}}&s={{source}}&{tail}#{{gclid}}")
    if template is None:
        return

    location = template.location(CLICK, "t", "c", source, query, pass_through)

    assert HEADER_SAFE.fullmatch(location)
    assert location.startswith(template.origin.encode() + b"/")
    parts = urlsplit(location.decode())
    assert f"{parts.scheme}://{parts.netloc}" == template.origin


@given(link=st.text(max_size=80) | st.text(max_size=60).map("https://".__add__), query=st.binary())
def test_any_text_is_refused_or_makes_a_safe_header(link: str, query: bytes) -> None:
    template = compile_link(link)

    if template is None:
        assert check(link)
    else:
        location = template.location(CLICK, "t", "c", None, parse(query), True)
        assert HEADER_SAFE.fullmatch(location)
        assert re.match(rb"https?://[^/?#@\\{}]+/", location)
