"""Money: only plain decimals that the column holds exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import Refused
from rules.money import LARGEST, amount, signed


@pytest.mark.parametrize("text", ["0", "0.00", "12.50", "12.5", "007", "99999999.99"])
def test_plain_decimals_are_amounts(text: str) -> None:
    assert amount(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 12", "12 ", "12\n", "-0.01", "+1", "0.001", "99999999.995", "100000000"),
        *("1,234.56", "1_0", "1e3", "NaN", "Infinity", "-Infinity", ".5", "5.", "0x10"),
        *("\uff11\uff12", "\u0661", "9" * 5000, "$5", "12.50\x00"),
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        amount(text)


@given(st.text(alphabet="0123456789.-+eE_ \uff11NaInf", max_size=14))
def test_an_accepted_amount_fits_the_column(text: str) -> None:
    try:
        found = amount(text)
    except Refused:
        return

    assert 0 <= found <= LARGEST
    assert found == found.quantize(Decimal("0.01"))


def test_refunds_take_away_and_sales_add() -> None:
    assert signed("refund", Decimal("12.50")) == Decimal("-12.50")
    assert str(signed("refund", Decimal("0.00"))) == "0.00"
    assert signed("conversion", Decimal("12.50")) == Decimal("12.50")
    assert signed("rebill", Decimal("12.50")) == Decimal("12.50")


def test_clicks_and_views_have_no_revenue() -> None:
    for event_type in ("click", "view"):
        with pytest.raises(Refused):
            signed(event_type, Decimal(1))
