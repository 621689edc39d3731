"""ClickBank's notifications: each vector gives what it should, and nothing of the customer."""

from decimal import Decimal
from typing import Any

import pytest

from base.ids import is_click_id, ms_of, uuid7_hex
from rules import ins, ins_cipher
from rules.ins_cipher import decrypt, wire
from rules.times import iso
from schemas.ins import Notification, Unreadable, read
from schemas.integrations import DEFAULTS, IntegrationSettings
from schemas.items import Item, fault
from tests import notifications as told

ARRIVED = uuid7_hex(1_795_365_000_000)  # 22 November 2026


def opened(one: dict[str, Any]) -> Notification:
    carried = wire(told.body(one))
    assert isinstance(carried, ins_cipher.Sealed)
    return read(decrypt(carried, one["secret_key"]))


def item_of(note: Notification) -> Item:
    return ins.item(note, ARRIVED, "user", "integration")


@pytest.mark.parametrize("one", told.vectors(), ids=lambda one: one["id"])
def test_a_vector_is_read_as_expected(one: dict[str, Any]) -> None:
    expect = one["expect"]

    note = opened(one)

    assert note.version == expect["version"]
    assert note.type == expect["transaction_type"]
    assert ins.is_test(note.type) is expect["is_test"]
    assert note.receipt == expect["receipt"]
    assert (note.role, note.vendor) == (expect["role"], expect["vendor"])
    assert note.affiliate == (expect["affiliate"] or "")
    assert iso(note.occurred) == expect["occurred_at_utc"]  # type: ignore[arg-type]
    assert str(note.amount) == expect["account_amount"]
    assert str(note.order_amount) == expect["order_amount"]
    # A seller's own variables come last, and are not counted in what is expected.
    of_seller = [v for k, v in note.variables.items() if k == "tid" and note.role == "VENDOR"]
    assert ins.candidates(note) == expect["tracking_candidates"] + of_seller
    assert ins.rebill_number(note.receipt) == expect["rebill_number"]
    assert len(note.items) == expect["line_item_count"]


@pytest.mark.parametrize("one", told.vectors(), ids=lambda one: one["id"])
def test_a_vector_becomes_the_expected_payment(one: dict[str, Any]) -> None:
    expect, note = one["expect"], opened(one)
    event = expect["suggested_event_type"]

    assert (ins.outcome(note, DEFAULTS) == ins.RECORDED) is (event is not None)
    if event is None:
        return
    item = item_of(note)
    assert fault(item) is None
    assert item["type"] == event
    assert Decimal(item["amount"]) == abs(Decimal(expect["suggested_revenue"]))
    assert item["meta"]["occurred_at"] == expect["occurred_at_utc"]
    is_upsell = expect["parent_receipt"] and not expect["rebill_number"]
    assert item.get("parent") == (expect["parent_receipt"] if is_upsell else None)
    assert item["meta"].get("base_receipt") == (
        expect["parent_receipt"] if expect["rebill_number"] else None
    )


@pytest.mark.parametrize("one", told.forms(), ids=lambda one: one["id"])
def test_a_legacy_form_is_read_once_its_checksum_is_right(one: dict[str, Any]) -> None:
    ins_cipher.verify(one["fields"], one["secret_key"])
    note = ins.from_form(one["fields"])

    assert note.amount == Decimal(one["fields"]["caccountamount"]) / 100
    assert note.receipt == one["fields"]["ctransreceipt"]
    assert note.vendor in ("tidepilot", "quiltpath")
    assert int(note.occurred.timestamp()) == int(one["fields"]["ctranstime"])  # type: ignore[union-attr]


def test_nothing_of_the_customer_goes_on() -> None:
    for one in told.vectors():
        note = opened(one)
        if ins.outcome(note, DEFAULTS) == ins.RECORDED:
            item = str(item_of(note))
            for word in ("@", "Kiel", "Greta", "Ola", "5035550134", "Dock"):
                assert word not in item


def test_the_same_message_gives_the_same_item_of_the_transactions_time() -> None:
    note = opened(told.vector("02"))
    late = uuid7_hex(ms_of(item_of(note)["id"]) + 3600_000)
    fresh = ins.item(note, late, "user", "integration")

    assert item_of(note) == item_of(note)
    assert is_click_id(fresh["id"])
    assert fresh["id"][12:] == late[12:]
    assert ms_of(item_of(note)["id"]) == ms_of(ARRIVED)  # too old for any partition


def test_a_future_date_counts_as_the_arrival() -> None:
    note = read(b'{"transactionType":"SALE","receipt":"A1","transactionTime":"20990101T000000Z"}')

    item = item_of(note)

    assert item["id"] == ARRIVED
    assert item["meta"]["occurred_at"] == "2099-01-01T00:00:00Z"


def _note(**fields: Any) -> Notification:
    return Notification(**{"type": "SALE", "receipt": "QX7PLM2E"} | fields)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("TEST", ins.TEST),
        ("TEST_SALE", ins.TEST),
        ("TEST_CGBK", ins.TEST),
        ("CANCEL-TEST-REBILL", ins.TEST),
        ("TEST_SOMETHING_NEW", ins.TEST),
        ("CANCEL-REBILL", ins.STATUS),
        ("SUBSCRIPTION-CHG_A_B", ins.STATUS),
        ("ABANDONED_ORDER", ins.STATUS),
        ("CONTEST_SALE", ins.UNKNOWN_TYPE),
        ("JV_SALE", ins.UNKNOWN_TYPE),
        ("INSF", ins.RECORDED),
    ],
)
def test_each_type_has_its_outcome(kind: str, outcome: str) -> None:
    assert ins.outcome(_note(type=kind), DEFAULTS) == outcome


@pytest.mark.parametrize(
    ("chosen", "outcome"),
    [
        ({}, ins.RECORDED),
        ({"role": "AFFILIATE"}, ins.RECORDED),
        ({"role": "VENDOR"}, ins.ROLE_IGNORED),
        ({"nickname": "MapleWick"}, ins.RECORDED),
        ({"nickname": "somebody"}, ins.NICKNAME_IGNORED),
    ],
)
def test_an_account_may_count_one_role_and_name_alone(chosen: dict[str, Any], outcome: str) -> None:
    note = _note(role="AFFILIATE", vendor="tidepilot", affiliate="maplewick")

    assert ins.outcome(note, IntegrationSettings(**chosen)) == outcome


def test_a_sign_is_the_types_and_an_odd_one_is_flagged() -> None:
    for kind, amount, odd in (("SALE", "5", None), ("SALE", "-5", True), ("RFND", "-5", None),
                              ("RFND", "5", True), ("SALE", "0", None)):  # fmt: skip
        item = item_of(_note(type=kind, amount=Decimal(amount)))

        assert item["amount"] == amount.removeprefix("-")
        assert item["meta"].get("sign_unexpected") is odd


def test_parts_of_a_refund_are_told_apart_and_a_repeat_is_not() -> None:
    first, again, second = (
        opened(told.vector("07")), opened(told.vector("07")), opened(told.vector("07"))
    )  # fmt: skip
    again.attempt, second.amount = "2", Decimal("-1.00")

    numbers = [item_of(one)["number"] for one in (first, again, second)]

    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.parametrize("receipt", ["", "********"])
def test_a_payment_without_a_receipt_is_unreadable(receipt: str) -> None:
    with pytest.raises(Unreadable):
        ins.outcome(_note(receipt=receipt), DEFAULTS)


def test_the_sellers_own_variables_count_for_the_seller_alone() -> None:
    variables = {"tid": "b", "extclid": "a"}

    assert ins.candidates(_note(role="VENDOR", codes=["c"], variables=variables)) == ["c", "a", "b"]
    assert ins.candidates(_note(role="AFFILIATE", codes=["c"], variables=variables)) == ["c"]
