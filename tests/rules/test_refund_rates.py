"""What the analytics' values mean as rates."""

from decimal import Decimal

import pytest

from rules.refund_rates import rates


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({"REFUND_RATE": "6.254"}, "6.25"),
        ({"REFUND_RATE": "6.255"}, "6.26"),
        ({"REFUND_RATE": "0"}, "0"),
        ({"REFUND_RATE": "100"}, "100"),
        ({"REFUND_RATE": "100.01"}, None),
        ({"REFUND_RATE": "-1"}, None),
        ({"REFUND_RATE": "NaN"}, None),
        ({"REFUND_RATE": "1e2"}, None),
        ({"REFUND_RATE": ""}, None),
        ({}, None),
        ({"REFUND_RATE": "0.05", "REFUND_COUNT": "5", "GROSS_SALE_COUNT": "100"}, "5"),
        ({"REFUND_RATE": "0.05", "REFUND_COUNT": "1", "GROSS_SALE_COUNT": "2000"}, "0.05"),
        ({"REFUND_RATE": "1", "REFUND_COUNT": "1", "GROSS_SALE_COUNT": "100"}, "1"),
        ({"REFUND_RATE": "1", "REFUND_COUNT": "7", "GROSS_SALE_COUNT": "7"}, "100"),
        ({"REFUND_COUNT": "-3", "GROSS_SALE_COUNT": "40"}, "7.5"),
        ({"REFUND_COUNT": "3", "SALE_COUNT": "40"}, "7.5"),
        ({"REFUND_RATE": "0.0", "GROSS_SALE_COUNT": "0"}, None),
        ({"REFUND_RATE": "5", "GROSS_SALE_COUNT": "many"}, "5"),
    ],
)
def test_a_rate_is_percent_with_two_places_and_unknown_is_none(
    told: dict[str, str], rate: str | None
) -> None:
    assert rates(told).refund_rate == (None if rate is None else Decimal(rate))
