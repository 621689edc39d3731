"""`POST /e/{tracking_id}`: what a page tells by sendBeacon, from any origin."""

from typing import Any

import orjson
import pytest

from base.ids import uuid7_hex
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.ingest.door import Door
from tests.journal import putting

ORIGIN = "https://page.example"


@pytest.fixture
def link(door: Door, connect: Connect) -> dict[str, Any]:
    """A campaign that the door does not know yet."""
    return make.campaign(connect())


def path(link: dict[str, Any], query: str = "") -> str:
    return f"/e/{link['tracking_id']}{query}"


@pytest.mark.parametrize("kind", ["application/json", "text/plain;charset=UTF-8", ""])
def test_a_page_tells_and_is_told_the_id(door: Door, link: dict[str, Any], kind: str) -> None:
    body = orjson.dumps({"event": "click", "sub1": "x", "source": "page"})

    answer = door.post(path(link), body, origin=ORIGIN, content_type=kind)

    (item,) = putting.items()
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-click-id"] == item["id"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-expose-headers"] == "X-Click-Id"
    assert answer.headers["vary"] == "Origin"
    assert "set-cookie" not in answer.headers
    assert (item["type"], item["source"], item["meta"]["sub1"]) == ("click", "page", "x")


def test_a_type_means_the_event_too(door: Door, link: dict[str, Any]) -> None:
    sale = {"type": "conversion", "amount": "78", "order_id": "bc"}

    taken = door.post(path(link), orjson.dumps(sale))
    refused = door.post(path(link), b'{"type":"bad"}')

    (item,) = putting.items(Kind.CONVERSIONS)
    assert (taken.status, item["type"], item["amount"]) == (204, "conversion", "78")
    assert refused.status == 400
    assert putting.items() == []


def test_an_empty_beacon_is_a_view(door: Door, link: dict[str, Any]) -> None:
    assert door.post(path(link, "?sub2=y"), b"").status == 204

    (item,) = putting.items()
    assert (item["type"], item["meta"]["sub2"]) == ("view", "y")


FORM = "application/x-www-form-urlencoded;charset=UTF-8"


def test_a_form_is_told_like_json(door: Door, link: dict[str, Any]) -> None:
    form = b"event=conversion&amount=5.00&order_id=A%201&sub1=%C3%A9+b"

    answer = door.post(path(link, "?sub1=from-query&sub2=y"), form, content_type=FORM)

    (item,) = putting.items(Kind.CONVERSIONS)
    assert answer.status == 204
    assert (item["amount"], item["meta"]["order_id"]) == ("5.00", "A 1")
    assert (item["meta"]["sub1"], item["meta"]["sub2"]) == ("é b", "y")


@pytest.mark.parametrize("body", [b"event=refund", b'{"event":"refund"}', b"{", b"[]"])
def test_a_form_that_is_no_event_is_refused(door: Door, link: dict[str, Any], body: bytes) -> None:
    assert door.post(path(link), body, content_type=FORM).status == 400
    assert door.post(path(link), b'{"event":"click"}', content_type=FORM).status == 204
    assert [item["type"] for item in putting.items()] == ["click"]


def test_a_form_in_parts_is_told_which_form_to_send(door: Door, link: dict[str, Any]) -> None:
    answer = door.post(path(link), b"--x--", content_type="multipart/form-data; boundary=x")

    assert answer.status == 415
    assert "URLSearchParams" in orjson.loads(answer.body)["error"]


def test_a_sale_on_a_page_names_its_click(door: Door, link: dict[str, Any]) -> None:
    click = uuid7_hex(1_795_365_000_000)
    told = {"event": "conversion", "click_id": click, "order_id": 7, "amount": "5.00"}

    answer = door.post(path(link), orjson.dumps(told))

    (item,) = putting.items(Kind.CONVERSIONS)
    assert answer.headers["x-click-id"] == click
    assert (item["click"], item["amount"], item["meta"]["order_id"]) == (click, "5.00", "7")
    assert item["meta"]["trust"] == "pixel"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"5", b"{", b"\xff\xfe", b'"view"', b'{"event":"refund"}', b'{"event":["view"]}'],
)
def test_what_is_no_event_is_refused_readably(
    door: Door, link: dict[str, Any], body: bytes
) -> None:
    answer = door.post(path(link), body, origin=ORIGIN)

    assert answer.status == 400
    assert orjson.loads(answer.body)["error"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert putting.items() == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"sub1":"\\ud800","source":"\\udfff","utm_\\ud800":"x"}',
        b'{"sub1":"\\u0000","source":"\\u0000"}',
        b'{"sub1":1e999,"amount":NaN,"event":"conversion"}',
        b'{"sub1":' + b"9" * 5_000 + b"}",
        b'{"sub1":{"a":[[[[1]]]]},"click_id":{},"source":[]}',
    ],
)
def test_strange_values_never_break_a_batch(door: Door, link: dict[str, Any], body: bytes) -> None:
    answer = door.post(path(link), body)

    assert answer.status == 204
    assert len(putting.items() + putting.items(Kind.CONVERSIONS)) == 1
    assert door.post(path(link), b"{}").status == 204


def test_a_large_body_is_refused_by_its_size(door: Door, link: dict[str, Any]) -> None:
    fits = orjson.dumps({"x": "y" * (64 * 1024 - 8)})

    assert door.post(path(link), fits).status == 204
    assert door.post(path(link), fits + b" ").status == 413


def test_a_compressed_body_is_refused(door: Door, link: dict[str, Any]) -> None:
    assert door.post(path(link), b"{}", content_encoding="gzip").status == 415


def test_an_unknown_link_is_404_even_for_a_beacon(door: Door, connect: Connect) -> None:
    draft = make.campaign(connect(), status="draft")

    for target in ("/e/nobody", path(draft)):
        answer = door.post(target, b"{}", origin=ORIGIN)
        assert answer.status == 404
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert putting.items() == []


def test_a_browser_that_asks_first_may_post_json(door: Door, link: dict[str, Any]) -> None:
    answer = door.ask("OPTIONS", path(link), {"Origin": ORIGIN})

    assert answer.status == 204
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "Content-Type"
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("origin", ["h\xe9.example", "https://" + "x" * 400])
def test_a_strange_origin_is_not_echoed(door: Door, link: dict[str, Any], origin: str) -> None:
    answer = door.post(path(link), b"{}", origin=origin)

    assert answer.status == 204
    assert "access-control-allow-origin" not in answer.headers
