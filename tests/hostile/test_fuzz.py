"""A fuzzer over all that reads strangers' text: one named error, round trips, bounded time."""

import re
import time
from collections.abc import Callable
from datetime import UTC
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as chosen
from hypothesis import strategies as st
from pydantic import ValidationError

from base.errors import Refused
from base.ids import is_click_id
from base.settings import Settings
from db import keys
from rules import access_log, addresses, bots, devices, money, times
from rules.destination import MAX_LOCATION_BYTES, compile_link
from rules.query import parse
from rules.source import click_metadata, source
from schemas import beacon, campaigns, events
from schemas.events import EventIn
from tests.hostile.mutations import spoilt

FEW, MANY = 100, 10_000
ONE_SECONDS = 2.0  # of this thread's own work on one input; what goes out of hand takes minutes

_KEY = keys.mint()
_CLICK = "019ab3c4d5e67f0089abcdef01234567"
_LINE = (
    '203.0.113.9 - - [22/Nov/2026:10:00:00 +0000] "GET /r/abc?sub1=x HTTP/1.1" 302 0'
    ' "https://page.example/" "Mozilla/5.0 (X11; Linux x86_64)"'
)
_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/17.1 Mobile/15E148 Safari/604.1"
)
_LINKS = (
    "https://example.com:8443/a/{sub1}?s={sub2}&t={click_id}#{gclid}",
    "https://vendor.hop.clickbank.net/?tid={sub1}&extclid=x",
    "https://b\u00fccher.example/{source}",
    "http://[2001:db8::1]:80/{sub1}",
)


def _is_sentence(refusal: Refused) -> None:
    assert str(refusal).endswith(".")


def _authorization(text: str) -> None:
    assert keys.well_formed(text) == (text == _KEY)


def _destination(link: str, value: str, query: bytes) -> None:
    template = compile_link(link)
    if template is None:
        return
    said = {**parse(query), "sub1": value, "sub2": value, "gclid": value}
    plain = urlsplit(template.location(_CLICK, "t", "c", None, {}, False).decode())
    for passes in (False, True):
        place = template.location(_CLICK, "t", "c", value, said, passes)
        parts = urlsplit(place.decode("ascii"))
        assert re.fullmatch(rb"[!-~]+", place)
        assert len(place) <= MAX_LOCATION_BYTES + 8_192
        assert (parts.scheme, parts.netloc) == (plain.scheme, plain.netloc)
        assert f"{parts.scheme}://{parts.netloc}" == template.origin
        assert parts.path.startswith("/")
        assert "\\" not in place.decode()


def _moment(text: str) -> None:
    body = orjson.dumps({"type": "view", "tracking_id": "x", "occurred_at": text})
    (found,) = events.read(body, None)
    if isinstance(found, EventIn) and found.occurred_at is not None:
        assert found.occurred_at.tzinfo is UTC
        ms, kept = times.accepted(found.occurred_at, 1_795_365_000_000)
        assert abs(ms - 1_795_365_000_000) <= times.OLDEST_MS
        assert (kept is None) == (ms == times.to_ms(found.occurred_at))


def _agent(text: str) -> None:
    reason = bots.user_agent(text)
    agent = devices.read(text)
    assert reason is None or reason.isidentifier()
    assert agent.device in ("desktop", "mobile", "tablet", "tv", "bot", "other")


def _line(text: str) -> None:
    try:
        visit = access_log.read(text)
    except Refused as refusal:
        _is_sentence(refusal)
        return
    assert visit.time.tzinfo is UTC
    assert visit.method.isupper()
    assert addresses.is_address(visit.address)
    for field in (visit.referrer, visit.user_agent):
        assert field is None or not re.search("[\0-\x1f\x7f]", field)


def _query(text: str) -> None:
    found = parse(text.encode("utf-8", "replace"))
    assert len(found) <= 100
    for name, value in found.items():
        assert 0 < len(name) <= 100
        assert len(value) <= 1_000
        assert not re.search("[\0-\x1f\x7f-\x9f\ud800-\udfff]", name + value)
    again = parse(urlencode(found).encode())
    # Names and values as they came out go in and come out the same, room permitting.
    assert again == found or len(urlencode(found)) > 65_536
    kept = click_metadata(found)
    assert kept.keys() <= found.keys()
    assert len(source(found, None)[0] or "") <= 255


def _beacon(text: str) -> None:
    given = parse(text.encode("utf-8", "replace"))
    for body in (b"", text.encode("utf-8", "replace")):
        try:
            told = beacon.read(body, given)
        except Refused as refusal:
            _is_sentence(refusal)
            continue
        assert told.event in beacon.EVENTS
        assert told.click is None or is_click_id(told.click)
        assert told.amount is None or money.amount(told.amount) >= 0


def _forwarded(text: str) -> None:
    trusted = Settings(trusted_proxies="10.0.0.0/8,::1/128").trusted_proxies
    for peer in ("10.0.0.1", "203.0.113.9", "::1", "::ffff:10.0.0.1"):
        found = addresses.client(peer, text, trusted)
        assert len(found) <= 100
        if peer == "203.0.113.9":
            assert found == peer
        network = addresses.truncate(found)
        assert network == "" or addresses.truncate(network) == network


def _referrer(text: str) -> None:
    page = addresses.referrer(text)
    if page is not None:
        assert re.match(r"(https?|android-app|ios-app)://[^/?#@]", page)
        assert not re.search(r"[\0-\x1f?#]", page)
        assert addresses.referrer(page) == page


def _proxies(text: str) -> None:
    try:
        made = Settings(trusted_proxies=text)
    except ValidationError:
        return
    assert all(network.prefixlen >= 0 for network in made.trusted_proxies)


def _campaign(value: Any) -> None:
    found = campaigns.read(value)
    assert found.referrer_policy is None or found.referrer_policy in campaigns.REFERRER_POLICIES


def _body(text: str) -> None:
    try:
        verdicts = events.read(text.encode("utf-8", "replace"), None)
    except Refused as refusal:
        _is_sentence(refusal)
        return
    assert verdicts


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_SETTINGS = st.dictionaries(
    st.sampled_from(["fallback_url", "pass_through", "referrer_policy", "respect_gpc", "x"]), _JSON
)
_ITEM = '{"type":"conversion","tracking_id":"t","amount":"1.50","metadata":{"k":[1,2.5,null]}}'

READERS: dict[str, tuple[Callable[..., None], tuple[st.SearchStrategy[Any], ...]]] = {
    "authorization": (_authorization, (spoilt(_KEY, "hf_", ""),)),
    "destinations": (
        _destination, (spoilt(*_LINKS), spoilt("a", "{sub2}"), st.binary(max_size=60))),
    "times": (_moment, (spoilt("2026-11-22T10:00:00.123+01:00", "2024-02-29T23:59:59Z"),)),
    "user agents": (_agent, (spoilt(_AGENT, "curl/8.1", "Googlebot/2.1 (+http://x)"),)),
    "access logs": (_line, (spoilt(_LINE, _LINE.rpartition(' "https')[0]),)),
    "queries": (_query, (spoilt("sub1=a&sub2=%C3%A9+b&utm_source=x", "a&=b&&c=", "s=%ff%00"),)),
    "beacons": (_beacon, (spoilt(_ITEM, "event=conversion&amount=1.50&click_id=" + _CLICK),)),
    "forwarded": (_forwarded, (spoilt("203.0.113.7, 10.0.0.2", "[2001:db8::1]:443", "unknown"),)),
    "referrers": (_referrer, (spoilt("https://u:p@page.example:80/a?b#c", "android-app://a"),)),
    "proxies": (_proxies, (spoilt("10.0.0.0/8, ::1/128", "0.0.0.0/0"),)),
    "campaign settings": (_campaign, (_SETTINGS | _JSON,)),
    "bodies": (_body, (spoilt(_ITEM, f"[{_ITEM},{_ITEM}]", f"{_ITEM}\n{_ITEM}"),)),
}  # fmt: skip


def _fuzz(reader: str, count: int) -> None:
    check, strategies = READERS[reader]

    @chosen(
        max_examples=count, deadline=None, database=None, derandomize=count == FEW,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.tuples(*strategies))
    def checked(values: tuple[Any, ...]) -> None:
        began = time.thread_time()
        check(*values)
        assert time.thread_time() - began < ONE_SECONDS

    checked()


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_strangers_text_is_never_surprised(reader: str) -> None:
    _fuzz(reader, FEW)


@pytest.mark.long
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_strangers_text_is_never_surprised_in_thousands(reader: str) -> None:
    _fuzz(reader, MANY)
