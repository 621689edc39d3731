"""`POST /v1/events`: verdicts for every item, and sentences for what is refused."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Refused
from schemas.bodies import Refusal
from schemas.events import EventIn, read
from schemas.fields import FLEET_ONLY

CLICK = "0192f0c1a2b37c4d8e5f60718293a4b5"
GOOD: dict[str, Any] = {"type": "click", "tracking_id": "abc"}


def one(**fields: Any) -> EventIn | Refusal:
    (verdict,) = read(json.dumps({**GOOD, **fields}).encode(), "application/json")
    return verdict


def event(**fields: Any) -> EventIn:
    verdict = one(**fields)
    assert isinstance(verdict, EventIn), verdict
    return verdict


def reason(**fields: Any) -> str:
    verdict = one(**fields)
    assert isinstance(verdict, Refusal)
    assert verdict.reason.endswith(".")
    return verdict.reason


def accepted(verdicts: list[EventIn | Refusal]) -> list[bool]:
    return [isinstance(verdict, EventIn) for verdict in verdicts]


def test_a_full_item_is_accepted_as_it_is() -> None:
    found = event(
        type="conversion",
        click_id=CLICK,
        event_id="e-1",
        order_id="o-1",
        amount="12.50",
        currency="EUR",
        occurred_at="2026-01-31T13:00:00+01:00",
        source="mail",
        sub1="a",
        sub20="b",
        metadata={"plan": "pro", "nested": {"n": [1, 2.5, True, None]}},
    )

    assert (found.amount, found.currency, found.event_id) == ("12.50", "EUR", "e-1")
    assert found.occurred_at is not None
    assert found.occurred_at.isoformat() == "2026-01-31T12:00:00+00:00"
    assert found.meta() == {
        "plan": "pro",
        "nested": {"n": [1, 2.5, True, None]},
        "sub1": "a",
        "sub20": "b",
        "order_id": "o-1",
        "currency": "EUR",
    }


def test_a_body_is_one_object_an_array_or_lines() -> None:
    item = orjson.dumps(GOOD)

    assert accepted(read(item, None)) == [True]
    assert accepted(read(b"[" + item + b"," + item + b"]", "application/json")) == [True, True]
    assert accepted(read(item + b"\n\r\n" + item + b"\n", "application/x-ndjson")) == [True, True]
    assert accepted(read(item + b"\n" + item, "text/plain")) == [True, True]
    assert accepted(read(json.dumps(GOOD, indent=2).encode(), "application/json")) == [True]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n ",
        b"null",
        b"5",
        b'"text"',
        b"[]",
        b"nonsense",
        b"type=click&tracking_id=a",
        b'{"type":"click"} trailing',
        b'{"type":"click",}',
        b'{"type":"click" /* comment */}',
        b'\xef\xbb\xbf{"type":"click","tracking_id":"a"}',
        '{"type":"click"}'.encode("utf-16"),
        '{"type":"click"}'.encode("utf-16-le"),
        '{"type":"click"}'.encode("utf-32"),
        b'{"type":"\xff"}',
        b'{"type":"\xc0\x80"}',
        b'{"type":"\xed\xa0\x80"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b",".join([b"{}"] * 1001) + b"]",
        b"{}\n" * 1001,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_without_items_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Refused, match=r"\.$"):
        read(body, "application/json")


@pytest.mark.parametrize(
    "bad",
    [
        b"5",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"click"}',
        b'{"type":"nothing","tracking_id":"a"}',
        b'{"type":"click","tracking_id":"a","sub1":"\\ud800"}',
        b'{"type":"click","tracking_id":"a","\\ud800":1}',
        b'{"type":"click","tracking_id":"a","metadata":{"\\ud800":1}}',
        b'{"type":"click","tracking_id":"a","metadata":{"x":NaN}}',
        b'{"type":"click","tracking_id":"a","metadata":{"x":-Infinity}}',
        b'{"type":"click","tracking_id":"a","metadata":{"x":1e999}}',
        b'{"type":"click","tracking_id":"a","metadata":{"x":' + b"9" * 5000 + b"}}",
        b'{"type":"click","tracking_id":"a","metadata":{"x":"' + b"y" * 20_000 + b'"}}',
        b'{"type":"click","tracking_id":"a","metadata":{"' + b"y" * 20_000 + b'":1}}',
        b'{"type":"click","tracking_id":"a","metadata":{"x":' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"type":"conversion","tracking_id":"a","amount":NaN}',
    ],
    ids=lambda body: repr(body[:70]),
)
def test_a_bad_item_never_harms_its_neighbours(bad: bytes) -> None:
    good = orjson.dumps(GOOD)

    verdicts = read(b"[" + good + b"," + bad + b"," + good + b"]", None)

    assert accepted(verdicts) == [True, False, True]
    assert isinstance(verdicts[1], Refusal)
    assert verdicts[1].reason.endswith(".")


def test_a_broken_line_never_harms_its_neighbours() -> None:
    good = orjson.dumps(GOOD)

    verdicts = read(b"\n".join([good, b"{broken", b"\xff", good]), "application/x-ndjson")

    assert accepted(verdicts) == [True, False, False, True]


def test_an_unknown_field_is_refused_by_name() -> None:
    assert reason(utm_source="x").startswith("utm_source: is not a field")
    assert reason(**{"user_id\u0000\n": "x"}).startswith("user_id\\x00\\n: is not a field")


@pytest.mark.parametrize("kind", ["click", "view", "conversion", "refund", "rebill"])
def test_the_five_types_are_known(kind: str) -> None:
    assert event(type=kind).type == kind


@pytest.mark.parametrize("kind", [None, "", "Click", "sale", 1, ["click"]])
def test_other_types_are_refused(kind: Any) -> None:
    assert reason(type=kind).startswith("type: must be one of")


def test_an_item_needs_a_tracking_id_or_a_click_id() -> None:
    assert "tracking_id or a click_id" in reason(tracking_id=None)
    assert event(tracking_id=None, click_id=CLICK).click_id == CLICK


@pytest.mark.parametrize("click", ["", "x", CLICK.upper(), CLICK[:-1], "0" * 32, 5, CLICK + "\n"])
def test_only_our_click_ids_are_click_ids(click: Any) -> None:
    assert reason(click_id=click).startswith("click_id:")


@pytest.mark.parametrize(
    ("field", "limit"), [("event_id", 255), ("order_id", 255), ("tracking_id", 50)]
)
def test_ids_are_printable_and_bounded(field: str, limit: int) -> None:
    assert getattr(event(**{field: "\u00e9" * limit}), field) == "\u00e9" * limit
    for bad in ("", "x" * (limit + 1), "a\nb", "a\u0000", "a\x1b[31m", 7, "\u202e"):
        assert reason(**{field: bad}).startswith(f"{field}:")


@pytest.mark.parametrize(
    "amount",
    [
        *(12.5, 12, "", "12 ", " 12", "12\n", "-0.01", "+1", "0.001", "99999999.995", "100000000"),
        *("1,234.56", "1_0", "1e3", "NaN", "Infinity", ".5", "5.", "\uff11\uff12", "\u0661", True),
    ],
)
def test_amounts_are_plain_decimal_strings(amount: Any) -> None:
    assert 'such as "12.50"' in reason(type="conversion", amount=amount)


@pytest.mark.parametrize("amount", ["0", "0.00", "12.5", "99999999.99"])
def test_amounts_that_fit_are_accepted(amount: str) -> None:
    assert event(type="refund", amount=amount).amount == amount


def test_clicks_and_views_have_no_amount() -> None:
    assert reason(type="view", amount="1.00").startswith("amount: only")


@pytest.mark.parametrize("currency", ["usd", "US", "USDX", "U$D", "", 840, "USD\n"])
def test_currencies_are_three_capital_letters(currency: Any) -> None:
    assert reason(type="conversion", currency=currency).startswith("currency:")


@pytest.mark.parametrize(
    "moment",
    [
        *("2026-01-01T00:00:00", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z"),
        *("2026-06-30T23:59:60Z", "2026-01-01T00:00:00+99:99", "0000-01-01T00:00:00Z"),
        *("99999-01-01T00:00:00Z", "infinity", "now", "", "2026-W01-1T00:00:00Z", "1767225600"),
        *(0, -1, 1767225600, 1767225600000, 1.5, True, [], "2026-01-01T00:00:00Z\n"),
        "\uff12026-01-01T00:00:00Z",
    ],
)
def test_times_without_a_clear_meaning_are_refused(moment: Any) -> None:
    assert reason(occurred_at=moment).startswith("occurred_at:")


@pytest.mark.parametrize(
    "moment",
    ["2026-01-31T12:00:00Z", "2026-01-31 13:00:00.000000001+0100", "2026-01-31T12:00z"],
)
def test_times_with_an_offset_become_utc(moment: str) -> None:
    found = event(occurred_at=moment).occurred_at

    assert found is not None
    assert found.isoformat() == "2026-01-31T12:00:00+00:00"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"])
def test_an_edge_of_time_told_from_abroad_is_that_edge(moment: str) -> None:
    found = event(occurred_at=moment).occurred_at

    assert found is not None
    assert found.isoformat() == moment[:19] + "+00:00"


def test_a_long_source_is_cut_and_flagged() -> None:
    found = event(source="x" * 300)

    assert found.short_source == "x" * 255
    assert found.meta() == {"source_cut": True}
    assert event(source="").short_source is None


@pytest.mark.parametrize("value", ["x" * 1001, "a\u0000b", 5, {}, True])
def test_sub_ids_are_text_without_nul(value: Any) -> None:
    assert reason(sub7=value).startswith("sub7: must be text")


def test_null_is_the_same_as_absent() -> None:
    empty = dict.fromkeys(name for name in EventIn.model_fields if name not in GOOD)

    assert event(**empty).meta() == {}


@pytest.mark.parametrize("key", sorted(FLEET_ONLY))
def test_keys_that_only_the_fleet_writes_are_refused_by_name(key: str) -> None:
    assert reason(metadata={key: "x"}).startswith(f"metadata.{key}: is written by Hopfleet")


@pytest.mark.parametrize(
    "metadata",
    [
        {"ip": "203.0.113.7", "ua": "Mozilla", "referrer": "https://x.example/", "country": "NZ"},
        {"ip": "2001:db8::7", "device": "tv", "os": "Tizen", "browser": "Samsung Internet"},
        {"utm_source": "a", "gclid": "b", "external_id": "c", "sub3": "d", "ip": None},
        {"\\u0000": "a backslash is no NUL: \\u0000"},
        {"emoji": "\U0001f600", "rtl": "\u202e", "n": 2**53, "f": 9e15, "small": 1e-15},
        {},
    ],
)
def test_what_a_sender_knows_may_be_given(metadata: dict[str, Any]) -> None:
    assert event(metadata=metadata).meta() == metadata


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({"a": "x\u0000"}, "metadata.a: holds a NUL"),
        ({"a": [{"b": "x\u0000"}]}, "metadata.a: holds a NUL"),
        ({"a": {"x\u0000": 1}}, "metadata.a: holds a NUL"),
        ({"x\u0000": 1}, "metadata.x\\x00: holds a NUL"),
        ({"a": 2**53 + 1}, "metadata.a: is an integer beyond 2^53; send it as text"),
        ({"a": -(2**53) - 1}, "metadata.a: is an integer"),
        ({"a": 2**200}, "metadata.a: is "),
        ({"a": 1e16}, "metadata.a: is a number too large"),
        ({"a": [-1e300]}, "metadata.a: is a number too large"),
        ({"a": 1e-300}, "metadata.a: is a number too large or too small"),
        ({"k" * 101: 1}, "metadata." + "k" * 40 + ": is a key of more than 100"),
        ({"a": {"k" * 101: 1}}, "metadata.a: is a key of more than 100"),
        ({"ip": "1.2.3"}, "metadata.ip: must be an IPv4"),
        ({"ip": 16909060}, "metadata.ip: must be an IPv4"),
        ({"ip": "fe80::1%eth0"}, "metadata.ip: must be an IPv4"),
        ({"country": "nz"}, "metadata.country: must be two capital"),
        ({"utm_source": 5}, "metadata.utm_source: must be text"),
        ({"sub1": "x" * 1001}, "metadata.sub1: must be text"),
        ({"ua": {}}, "metadata.ua: must be text"),
        ([1], "metadata: must be a JSON object"),
        ("x", "metadata: must be a JSON object"),
    ],
)
def test_metadata_that_would_not_be_kept_unchanged_is_refused(metadata: Any, named: str) -> None:
    assert reason(metadata=metadata).startswith(named)


def test_metadata_is_at_most_32_levels_deep() -> None:
    def nest(levels: int) -> Any:
        return {"x": nest(levels - 1)} if levels > 1 else {}

    assert event(metadata=nest(32)).metadata == nest(32)
    assert "deeper than 32" in reason(metadata=nest(33))


def test_the_last_of_two_equal_keys_wins() -> None:
    body = b'{"type":"click","type":"view","tracking_id":"a"}'

    (found,) = read(body, None)

    assert isinstance(found, EventIn)
    assert found.type == "view"


def test_fifty_thousand_keys_are_refused_at_once() -> None:
    body = b"{" + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}"

    (found,) = read(body, None)

    assert found == Refusal("The item is larger than 16,384 bytes.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _assert_storable(found: EventIn) -> None:
    """What PostgreSQL's text and jsonb take: strict JSON, no NUL, UTF-8, plain numbers."""
    written = orjson.dumps({**found.model_dump(), "metadata": found.meta()})
    assert len(written) < 40_000
    assert "\\u0000" not in written.decode().replace("\\\\", "")
    for text in _texts(found.model_dump(mode="json")):
        assert "\0" not in text
        text.encode()
    assert len(found.short_source or "") <= 255


@given(st.binary(max_size=200), st.none() | st.sampled_from(["application/x-ndjson", "x/y"]))
def test_any_bytes_get_verdicts_or_one_refusal(body: bytes, content_type: str | None) -> None:
    try:
        verdicts = read(body, content_type)
    except Refused:
        return

    assert verdicts


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text()
    | st.text(st.characters(codec=None, categories=["Cs", "Cc", "L"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(EventIn.model_fields))


@given(
    fields=st.dictionaries(FIELDS | st.text(max_size=5), VALUES, max_size=4),
    metadata=st.dictionaries(st.text(max_size=9), VALUES, max_size=4),
    ascii_only=st.booleans(),
)
def test_every_accepted_item_can_be_stored(
    fields: dict[str, Any], metadata: dict[str, Any], ascii_only: bool
) -> None:
    items = [{**GOOD, "metadata": metadata}, {**GOOD, **fields}, GOOD]
    body = json.dumps(items, ensure_ascii=ascii_only).encode("utf-8", "replace")

    verdicts = read(body, None)

    assert len(verdicts) == 3
    assert isinstance(verdicts[2], EventIn)
    for verdict in verdicts:
        if isinstance(verdict, EventIn):
            _assert_storable(verdict)
        else:
            assert verdict.reason.endswith(".")


@pytest.mark.parametrize("depth", [33, 255, 980, 1_000, 1_020])
def test_a_large_item_of_any_depth_is_refused_and_its_neighbour_is_not(depth: int) -> None:
    deep = b'{"type":"view","x":"%s","metadata":{"a":' % (b"y" * 20_000)
    deep += b"[" * depth + b"1" + b"]" * depth + b"}}"

    first, second = read(b'[%s,{"type":"view","tracking_id":"a"}]' % deep, None)

    assert isinstance(first, Refusal)
    assert isinstance(second, EventIn)


@pytest.mark.parametrize(
    "email", ["ada@example.com", "a+b.c@mail.example", "\u00fc@b\u00fccher.example"]
)
def test_a_buyers_address_is_taken_and_not_in_the_metadata(email: str) -> None:
    found = event(type="conversion", order_id="o-1", email=email)

    assert found.email == email
    assert email not in str(found.meta())


@pytest.mark.parametrize(
    "email",
    ["", "ada", "@b.c", "a@", "a@b@c", "a b@c.d", "a@b.c\n", "a@b.c\r\nBcc: x@y.z", "<a@b.c>",
     "a@b.c,d@e.f", "a@b.c\0", "a" * 65 + "@b.c", "\u200ba@b.c", 5],
)  # fmt: skip
def test_what_is_no_address_of_a_buyer_is_refused(email: Any) -> None:
    assert reason(type="conversion", order_id="o-1", email=email).startswith("email:")


def test_a_click_has_no_buyer() -> None:
    assert reason(email="ada@example.com").startswith("email: only")
