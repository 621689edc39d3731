"""History: reports, in whatever order they came, come down to payments."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rules.history import entries
from schemas.receipts import Fact

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def report(event_id: str, **columns: Any) -> Fact:
    usual: dict[str, Any] = {
        "order_id": 1, "user_id": "u", "integration_id": None, "receipt": "R",
        "type": "conversion", "state": "approved", "number": "", "role": "", "door": "clickbank",
        "verdict": "counted", "amount": Decimal("10.00"), "currency": "USD",
        "revenue": Decimal("10.00"), "event_id": event_id, "item_id": event_id, "click_id": None,
        "campaign_id": None, "reason": None, "flags": [], "created_at": AT,
    }  # fmt: skip
    return Fact(**(usual | columns))


def test_a_sale_told_on_four_roads_is_one_payment() -> None:
    told = [
        report("a", door="p", revenue=Decimal("9.00"), amount=Decimal("9.00")),
        report("a", item_id="b", verdict="corrected", revenue=Decimal("1.00")),
        report("a", item_id="c", verdict="noted", revenue=None, door="postback"),
        report("a", item_id="d", verdict="noted", revenue=None, door="events"),
    ]

    [one] = entries(told)

    assert (one.id, one.event_type, one.revenue, one.counted) == (
        "a", "conversion", Decimal("10.00"), True,
    )  # fmt: skip
    assert [road.door for road in one.roads] == ["p", "clickbank", "postback", "events"]


def test_a_payment_that_was_only_announced_is_not_counted() -> None:
    [one] = entries([report("a", state="pending", verdict="noted", revenue=None)])

    assert (one.counted, one.state, one.revenue) == (False, "pending", None)


def test_what_takes_a_payment_back_is_a_refund_of_its_own() -> None:
    found = entries(
        [
            report("a"),
            report(
                "a", item_id="b", verdict="reversed", state="rejected", reason="rejected",
                revenue=Decimal("-10.00"),
            ),
        ]
    )  # fmt: skip

    assert [(one.event_type, one.revenue, one.reason) for one in found] == [
        ("conversion", Decimal("10.00"), None),
        ("refund", Decimal("-10.00"), "rejected"),
    ]


def test_payments_are_told_by_the_time_they_happened() -> None:
    later = AT.replace(hour=13)
    refund = report("z", type="refund", state="refund", created_at=later, revenue=Decimal("-1"))

    found = entries([refund, report("a")])

    assert [one.event_type for one in found] == ["conversion", "refund"]


def test_a_payment_that_is_approved_once_more_is_a_sale_once_more() -> None:
    told = [
        report("a", state="pending", verdict="noted", revenue=None),
        report("a", item_id="b"),
        report("a", item_id="c", verdict="reversed", revenue=Decimal("-10.00")),
        report("a", item_id="d", verdict="noted", revenue=None),
        report("a", item_id="e"),
    ]

    found = entries(told)

    assert [(one.id, one.event_type) for one in found] == [
        ("b", "conversion"), ("e", "conversion"), ("c", "refund"),
    ]  # fmt: skip
    assert sum(one.revenue or 0 for one in found) == Decimal("10.00")


def test_an_orphan_whose_payment_has_come_is_none_any_more() -> None:
    refund = report("r", type="refund", state="refund", revenue=Decimal("-10.00"), flags=["orphan"])

    [alone] = entries([refund])
    together = {one.event_type: one.flags for one in entries([refund, report("a")])}

    assert alone.flags == ["orphan"]
    assert together == {"refund": [], "conversion": []}


def test_what_takes_back_more_than_was_paid_says_so() -> None:
    refund = report("r", type="refund", state="refund", revenue=Decimal("-10.01"))

    found = {one.event_type: one for one in entries([report("a"), refund])}

    assert found["refund"].flags == ["excess"]
    assert found["refund"].reason == "refund"


def test_an_amount_without_a_rate_says_so() -> None:
    [one] = entries([report("a", currency="EUR", revenue=None)])

    assert (one.counted, one.revenue, one.flags) == (True, None, ["no_rate"])
