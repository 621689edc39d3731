"""Beacons and pixels: what a page tells, forgiven as far as it is clear."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Refused
from schemas.beacon import BeaconIn, read, shape

CLICK = "0192f0c1a2b37c4d8e5f60718293a4b5"


def test_an_empty_beacon_is_a_view() -> None:
    assert read(b"", {}) == BeaconIn("view")
    assert read(b" ", {"event": ""}) == BeaconIn("view")


def test_a_beacon_may_say_everything_in_its_body_or_its_query() -> None:
    fields = {"event": "conversion", "order_id": "o1", "amount": "12.50", "currency": "eur"}
    fields |= {"source": "mail", "sub1": "a", "utm_medium": "m", "click_id": CLICK, "x": "ignored"}
    wanted = BeaconIn(
        *("conversion", "o1", "12.50", "EUR", CLICK, "mail"),
        meta={"sub1": "a", "utm_medium": "m", "order_id": "o1", "currency": "EUR"},
    )

    assert read(orjson.dumps(fields), {}) == wanted
    assert read(b"", fields) == wanted


def test_the_body_wins_over_the_query() -> None:
    assert read(b'{"sub1":"body"}', {"sub1": "query", "sub2": "b"}).meta == {
        "sub1": "body",
        "sub2": "b",
    }


def test_only_conversions_carry_money() -> None:
    found = shape({"event": "click", "amount": "5.00", "order_id": "o1"})

    assert (found.amount, found.order_id, found.meta) == (None, None, {})


def test_pages_may_send_numbers() -> None:
    found = read(b'{"event":"conversion","amount":12.5,"order_id":1001,"sub1":7}', {})

    assert (found.amount, found.order_id, found.meta["sub1"]) == ("12.5", "1001", "7")


def test_a_conversion_with_nonsense_for_money_is_kept_and_flagged() -> None:
    found = shape(
        {"event": "conversion", "amount": "1,234.56", "currency": "Dollar", "order_id": "x" * 300}
    )

    assert (found.amount, found.currency, found.order_id) == (None, None, None)
    assert found.meta == {
        "amount_refused": "1,234.56",
        "currency_refused": "Dollar",
        "order_id_refused": "x" * 50,
    }


def test_nobody_sets_the_fleets_own_keys() -> None:
    assert shape({"bot": "no", "trust": "api", "visitor": "x", "received_at": "y"}).meta == {}


def test_a_long_source_is_cut_and_flagged() -> None:
    found = shape({"utm_source": "x" * 300})

    assert found.source == "x" * 255
    assert found.meta["source_cut"] is True


@pytest.mark.parametrize("click", ["x", CLICK.upper(), 5, None])
def test_what_is_no_click_id_is_left_out(click: Any) -> None:
    assert shape({"click_id": click}).click is None


@pytest.mark.parametrize("body", [b"[]", b"5", b"{", b"\xff", b"[" * 100_000, b"a=b"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        read(body, {})


@pytest.mark.parametrize("event", ["refund", "View", 5, ["view"], {"a": 1}])
def test_an_event_of_another_name_is_refused(event: Any) -> None:
    with pytest.raises(Refused):
        shape({"event": event})


@given(
    st.dictionaries(
        st.sampled_from(["event", "amount", "order_id", "sub1", "source", "click_id"]) | st.text(),
        st.sampled_from(["conversion", "click"])
        | st.text()
        | st.integers()
        | st.floats()
        | st.none()
        | st.lists(st.text())
        | st.text(st.characters(codec=None, categories=["Cs", "Cc"])),
    )
)
def test_whatever_a_page_says_can_be_stored(fields: dict[str, Any]) -> None:
    try:
        found = shape(fields)
    except Refused:
        return

    assert "\\u0000" not in orjson.dumps(found.meta).decode().replace("\\\\", "")
    assert len(found.source or "") <= 255
