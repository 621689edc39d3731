"""ClickBank's REST API over a socket: its pages, its odd JSON, its refusals."""

from datetime import date
from typing import Any

import pytest

from base.errors import HopfleetError
from integrations.clickbank import ClickBank, ClickBankAway, ClickBankRefused, plain
from schemas.clickbank_orders import notification
from tests import clickbank_fake
from tests import notifications as told

DAYS = date(2020, 1, 1), date(2030, 1, 1)


class Asking:
    """A client of the fake, and how long it was told to wait."""

    def __init__(self, address: str, key: str = clickbank_fake.KEY) -> None:
        self.waited: list[float] = []
        self.client = ClickBank(key, address, self.waited.append)

    def all(self) -> list[dict[str, Any]]:
        found, page, more = [], 1, True
        with self.client as client:
            while more:
                orders, more = client.orders(*DAYS, page)
                found += orders
                page += 1
        return found


def sold(count: int) -> list[dict[str, Any]]:
    return [{**told.plain("02"), "receipt": f"R{n:07}"} for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6])
def test_all_pages_are_read_and_one_order_is_a_list_of_one(count: int) -> None:
    fake = clickbank_fake.ClickBank(sold(count), page_size=2)

    with fake.serve() as address:
        found = Asking(address).all()

    assert [one["receipt"] for one in found] == [one["receipt"] for one in fake.orders]
    assert [page for _, page in fake.asked] == [str(n + 1) for n in range(max(1, -(-count // 2)))]


@pytest.mark.parametrize("one", told.vectors(), ids=lambda one: one["id"])
def test_an_order_reads_like_its_notification(one: dict[str, Any]) -> None:
    fake = clickbank_fake.ClickBank([told.plain(one["id"])])

    with fake.serve() as address:
        (order,) = Asking(address).all()
    note = notification(order)

    expect = one["expect"]
    assert (note.type, note.receipt) == (expect["transaction_type"], expect["receipt"])
    assert f"{note.amount:.2f}" == expect["account_amount"]
    assert (note.role, note.affiliate) == (expect["role"], expect["affiliate"] or "")
    assert note.email == ""


def test_the_limit_is_kept_to_and_a_refusal_is_waited_out() -> None:
    fake = clickbank_fake.ClickBank(sold(5), page_size=1)

    with fake.serve() as address:
        asking = Asking(address)
        asking.client.orders(*DAYS)
        fake.refusals = 2
        found = asking.all()

    assert len(found) == 5
    assert [one for one in asking.waited if one > 1] == [2.0, 8.0]
    assert sum(asking.waited) > 10 + 0.5


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ((403, b"Access denied"), ClickBankRefused),
        ((400, b"no"), ClickBankRefused),
        ((500, b"<html>"), ClickBankAway),
        ((429, b""), ClickBankAway),
        ((302, b""), ClickBankRefused),
        ((200, b"<html>"), ClickBankAway),
    ],
)
def test_a_refusal_has_a_name(failure: tuple[int, bytes], kind: type[HopfleetError]) -> None:
    with clickbank_fake.ClickBank(failure=failure).serve() as address, pytest.raises(kind) as said:
        Asking(address).all()

    assert clickbank_fake.KEY not in str(said.value)


def test_a_wrong_key_is_refused_and_nobody_there_is_away() -> None:
    with clickbank_fake.ClickBank().serve() as address, pytest.raises(ClickBankRefused):
        Asking(address, "API-WRONG").all()
    with pytest.raises(ClickBankAway):
        Asking("http://127.0.0.1:1/").all()


@pytest.mark.parametrize("body", [b"null", b"", b"[]", b'{"orderData":{"@nil":"true"}}', b"3",
                                  b'{"orderData":[1,"x",null]}'])  # fmt: skip
def test_odd_answers_hold_no_orders(body: bytes) -> None:
    with clickbank_fake.ClickBank(failure=(200, body)).serve() as address:
        assert Asking(address).all() == []


def test_translated_values_are_as_they_were_meant() -> None:
    assert plain({"a": {"@nil": "true"}, "@b": 1, "c": [{"@type": "x", "$": "1.50"}, "d"]}) == {
        "a": None, "c": ["1.50", "d"],
    }  # fmt: skip
