"""Refund rates: what ClickBank's analytics tell of a seller, as percent of its sales."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from rules.products import dollars, percent

_MOST_SALES = 2**53
_FULL = Decimal(100)


class Rates(NamedTuple):
    """Percent of the sales that were taken back, None when unknown; of how many sales."""

    refund_rate: Decimal | None
    chargeback_rate: Decimal | None
    sales: int | None


def rates(values: Mapping[str, str]) -> Rates:
    """What a row of the analytics tells, by the names of its attributes.

    Without a single sale there is no rate, whatever is told: 0 would say that nobody wants
    their money back.
    """
    sales = _count(values.get("GROSS_SALE_COUNT"))
    if sales is None:
        sales = _count(values.get("SALE_COUNT"))
    if sales == 0:
        return Rates(None, None, 0)
    return Rates(
        _rate(values.get("REFUND_RATE"), values.get("REFUND_COUNT"), sales),
        _rate(values.get("CHARGEBACK_RATE"), values.get("CHARGEBACK_COUNT"), sales),
        sales,
    )


def _rate(told: str | None, count: str | None, sales: int | None) -> Decimal | None:
    """The rate as it was told, or as the counts have it where none was told.

    Nothing documents whether it is told in percent or as a share. Percent, unless the counts
    are nearer to the other reading.
    """
    counted = _count(count)
    from_counts = _FULL * counted / sales if counted is not None and sales else None
    read = percent(told)
    if read is None:
        return percent(f"{from_counts:.4f}") if from_counts is not None else None
    if from_counts is not None and read <= 1:
        as_share = percent(f"{Decimal((told or '').strip()) * _FULL:f}")
        if as_share is not None and abs(as_share - from_counts) < abs(read - from_counts):
            return as_share
    return read


def _count(text: str | None) -> int | None:
    """A number of sales; refunds are told with a minus here and without one there."""
    found = dollars(text)
    if found is None or found != int(found):
        return None
    return min(abs(int(found)), _MOST_SALES)
