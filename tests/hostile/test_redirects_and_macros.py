"""Items 24-32: a redirect goes where its marketer said; 31 is in tests/ingest/test_known.py."""

import re
from urllib.parse import parse_qs, quote, urlsplit

from db import campaigns
from rules.destination import check
from tests.fleet.fleet import Answer
from tests.hostile.siege import Siege, request

_BAD_LINKS = (
    "javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
    "//evil.example/", "/\\evil.example", "https:evil.example", "https://good@evil.example/",
    "https://a:b@evil.example/", "https://example.com/%0d%0aSet-Cookie:a=b",
    "https://example.com/\r\nSet-Cookie: a=b", "java\tscript:alert(1)", "ht\ntps://example.com/",
    "https://example.com\\@evil.example/", "https://example.com:0/", "https://example.com:65536/",
    "https://{sub1}/", "https://{sub1}.example.com/", "https://example.com:{sub1}/", "",
)  # fmt: skip


def _place(answer: Answer) -> str:
    return answer.headers["location"]


def _to(siege: Siege, affiliate_link: str, **columns: object) -> str:
    """A further campaign of the tenant, by its path."""
    made = siege.fleet.campaign(user_id=siege.user_id, affiliate_link=affiliate_link, **columns)
    return f"/r/{made['tracking_id']}"


def test_item_24_no_parameter_names_a_destination(siege: Siege) -> None:
    for name in ("url", "u", "to", "dest", "next", "redirect", "affiliate_link", "location"):
        answer = siege.click(f"{name}=https://evil.example/")

        assert (answer.status, _place(answer)) == (302, "https://example.com/")


def test_item_25_a_row_with_a_bad_link_redirects_nobody(siege: Siege) -> None:
    for link in _BAD_LINKS:
        answer = siege.ask("GET", _to(siege, link))

        assert check(link) is not None
        assert (answer.status, answer.click_id) == (404, None), link
        assert "location" not in answer.headers
    homograph = siege.ask("GET", _to(siege, "https://\u0435xample.com/"))
    assert _place(homograph).startswith("https://xn--")


_VALUES = (
    "a\r\nSet-Cookie: x=y", "a\nb", "\0", "&sub2=evil", "#evil", "?evil", '"', "<script>", "../..",
    "@evil.example", "//evil.example", "\\", "%0d%0a", "%", "{click_id}", "\u202e", "\U0001f600",
    "x" * 7_000, ";", "=", " ", "\u2028",
)  # fmt: skip


def test_item_26_a_value_stays_inside_its_place(siege: Siege) -> None:
    path = _to(siege, "https://example.com:8443/a/{sub1}?s={sub1}&t=1#{sub1}")
    for value in _VALUES:
        place = _place(siege.ask("GET", f"{path}?sub1={quote(value, safe='')}"))

        parts = urlsplit(place)
        assert (parts.scheme, parts.netloc) == ("https", "example.com:8443")
        assert re.fullmatch(r"/a/[^/]*", parts.path)
        assert sorted(parse_qs(parts.query, keep_blank_values=True)) == ["s", "t"]
        assert re.fullmatch(r"[!-~]+", place)


def test_item_27_macros_are_replaced_once_and_unknown_ones_left_out(siege: Siege) -> None:
    path = _to(siege, "https://example.com/?a={sub1}&b={no_such}&c={sub2}")

    answer = siege.ask("GET", f"{path}?sub1=%7Bsub2%7D%7Bclick_id%7D&sub2=%7Bsub1%7D&no_such=x")

    query = parse_qs(urlsplit(_place(answer)).query, keep_blank_values=True)
    assert query == {"a": ["{sub2}{click_id}"], "b": [""], "c": ["{sub1}"]}


def test_item_28_no_value_begins_a_header_or_an_answer(siege: Siege) -> None:
    path = _to(siege, "https://example.com/?a={sub1}", settings={"pass_through": True})
    evil = "%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aLink:x"

    said = siege.say(request(b"GET", f"{path}?sub1={evil}&{evil}={evil}&source={evil}".encode()))
    page = siege.beacon(b"{}", origin="https://page.example", referer="x")
    spoilt = siege.say(
        request(b"POST", b"/e/" + siege.name.encode(), b"Origin: https://a\rSet-Cookie: b\r\n", b"")
    )

    head = said.partition(b"\r\n\r\n")[0].lower()
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"\r\nset-cookie" not in head
    assert b"\r\nlink:" not in head
    assert "set-cookie" not in page.headers
    assert b"\r\nSet-Cookie" not in spoilt


def test_item_29_a_link_to_our_own_redirects_is_no_destination(siege: Siege) -> None:
    here = f"http://127.0.0.1:{siege.fleet.port}"
    for own in (f"{here}/r/{siege.name}", f"{here}/%72/x", f"{here}//r/x", f"{here}/a/../r/x"):
        assert siege.ask("GET", _to(siege, own)).status == 404, own


def test_item_30_redirects_are_not_kept_and_tell_no_more_than_they_must(siege: Siege) -> None:
    path = _to(siege, "https://example.com/", settings={"referrer_policy": "no-referrer"})

    answer = siege.ask("GET", path, None, {"Origin": "https://evil.example"})
    head = siege.ask("HEAD", path)
    prefetch = siege.click("", {"Sec-Purpose": "prefetch;prerender"})
    beacon = siege.beacon(b"{}", origin="https://page.example")

    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert (head.status, head.click_id) == (302, None)
    assert siege.row(prefetch.click_id)["meta"]["bot"] == "prefetch"
    assert beacon.headers["access-control-allow-origin"] == "https://page.example"
    assert "set-cookie" not in beacon.headers


def test_item_32_ids_are_not_counted_up_and_their_state_is_not_told(siege: Siege) -> None:
    states = [_to(siege, "https://example.com/", status=status) for status in ("draft", "deleted")]

    answers = [siege.ask("GET", path) for path in (*states, "/r/nobody-at-all", "/r/%00", "/r/")]
    made = [campaigns.new_tracking_id() for _ in range(50)]

    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert len({name[:3] for name in made}) > 25
