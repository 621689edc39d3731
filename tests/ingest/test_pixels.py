"""`/p/{tracking_id}.gif`: whatever it is asked, the page gets its picture."""

from typing import Any

import pytest

from base.ids import uuid7_hex
from journal.streams import Kind
from schemas.items import Item
from tests import make
from tests.conftest import Connect
from tests.ingest.door import Door
from tests.ingest.talking import Answer
from tests.journal import putting


@pytest.fixture
def link(door: Door, connect: Connect) -> dict[str, Any]:
    """A campaign that the door does not know yet."""
    return make.campaign(connect())


def path(link: dict[str, Any], query: str = "") -> str:
    return f"/p/{link['tracking_id']}.gif{query}"


def is_picture(answer: Answer) -> bool:
    return (
        answer.status == 200
        and answer.headers["content-type"] == "image/gif"
        and answer.headers["cache-control"] == "no-store"
        and answer.body.startswith(b"GIF89a\x01\x00\x01\x00")
    )


def test_a_picture_is_a_view(door: Door, link: dict[str, Any]) -> None:
    answer = door.get(path(link, "?source=mail&sub3=x"))

    (item,) = putting.items()
    assert is_picture(answer)
    assert answer.headers["x-click-id"] == item["id"]
    assert (item["type"], item["source"], item["meta"]["sub3"]) == ("view", "mail", "x")


def test_a_picture_may_be_a_click(door: Door, link: dict[str, Any]) -> None:
    door.get(path(link, "?event=click"))

    assert putting.items()[0]["type"] == "click"


def test_a_picture_may_be_a_sale_that_is_not_trusted(door: Door, link: dict[str, Any]) -> None:
    answer = door.get(path(link, "?event=conversion&order_id=A-1&amount=12.50"))

    (item,) = putting.items(Kind.CONVERSIONS)
    assert is_picture(answer)
    assert answer.headers["x-click-id"] == item["id"]
    assert (item["type"], item["amount"], item["currency"]) == ("conversion", "12.50", "USD")
    assert (item["meta"]["order_id"], item["meta"]["trust"]) == ("A-1", "pixel")
    assert item["receipt"] == "A-1"
    assert putting.items() == []


def test_a_sale_in_other_money_keeps_what_was_said(door: Door, link: dict[str, Any]) -> None:
    door.get(path(link, "?event=conversion&amount=12.50&currency=eur"))

    (item,) = putting.items(Kind.CONVERSIONS)
    assert (item["currency"], item["meta"]["amount"], item["meta"]["currency"]) == (
        "EUR", "12.50", "EUR",
    )  # fmt: skip


@pytest.mark.parametrize("currency", ["Euro", "EU", "zz"])
def test_an_amount_of_no_known_money_is_kept_and_not_counted(
    door: Door, link: dict[str, Any], currency: str
) -> None:
    door.get(path(link, f"?event=conversion&amount=77&currency={currency}"))

    (item,) = putting.items(Kind.CONVERSIONS)
    assert "amount" not in item
    assert (item["meta"]["amount"], item["meta"]["currency_refused"]) == ("77", currency)


@pytest.mark.parametrize("amount", ["NaN", "1e5", "-5", "999999999", "12.345", ""])
def test_a_senseless_amount_does_not_lose_the_sale(
    door: Door, link: dict[str, Any], amount: str
) -> None:
    assert is_picture(door.get(path(link, f"?event=conversion&amount={amount}")))

    (item,) = putting.items(Kind.CONVERSIONS)
    assert "amount" not in item
    assert item["meta"].get("amount_refused", "") == amount


@pytest.mark.parametrize("query", ["?event=refund", "?event=%41", "?event=Conversion"])
def test_an_event_nobody_knows_is_a_picture_and_nothing_else(
    door: Door, link: dict[str, Any], query: str
) -> None:
    answer = door.get(path(link, query))

    assert is_picture(answer)
    assert "x-click-id" not in answer.headers
    assert putting.items() + putting.items(Kind.CONVERSIONS) == []


@pytest.mark.parametrize("name", ["nobody.gif", "nobody", "x" * 60 + ".gif", "%00.gif", ".gif"])
def test_an_unknown_link_is_a_picture_and_nothing_else(door: Door, name: str) -> None:
    answer = door.get(f"/p/{name}")

    assert is_picture(answer)
    assert "x-click-id" not in answer.headers
    assert putting.items() == []


@pytest.mark.parametrize(("status", "kept"), [("paused", 1), ("draft", 0), ("deleted", 0)])
def test_a_status_decides_what_is_kept(
    door: Door, connect: Connect, status: str, kept: int
) -> None:
    link = make.campaign(connect(), status=status, affiliate_link=None)

    assert is_picture(door.get(path(link)))
    items: list[Item] = putting.items()
    assert [item["meta"]["campaign_status"] for item in items] == [status] * kept


def test_a_pixel_that_carries_a_click_is_told_that_one(door: Door, link: dict[str, Any]) -> None:
    click = uuid7_hex(1_795_365_000_000)

    answer = door.get(path(link, f"?event=conversion&click_id={click}"))

    (item,) = putting.items(Kind.CONVERSIONS)
    assert (answer.headers["x-click-id"], item["click"]) == (click, click)


def test_head_of_a_picture_is_its_headers_and_records_nothing(
    door: Door, link: dict[str, Any]
) -> None:
    answer = door.ask("HEAD", path(link, "?event=conversion&amount=5"))

    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert int(answer.headers["content-length"]) == len(door.get("/p/nobody.gif").body)
    assert "x-click-id" not in answer.headers
    assert putting.items() + putting.items(Kind.CONVERSIONS) == []
