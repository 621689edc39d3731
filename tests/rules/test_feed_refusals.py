"""Which whole feeds are not taken."""

from datetime import UTC, datetime, timedelta

import pytest

from rules.feed_refusals import by_date, by_size

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("hours", [1, 24, 24 * 400])
def test_a_feed_that_is_older_by_an_hour_is_refused(hours: int) -> None:
    refusal = by_date(NOON - timedelta(hours=hours), NOON)

    assert refusal
    assert refusal.reason == "older"
    assert "--force" in refusal.sentence


@pytest.mark.parametrize("minutes", [-59, 0, 1, 60 * 24])
def test_copies_of_one_build_and_newer_feeds_are_taken(minutes: int) -> None:
    assert by_date(NOON + timedelta(minutes=minutes), NOON) is None


def test_without_both_dates_nothing_is_said() -> None:
    assert by_date(None, NOON) is None
    assert by_date(NOON, None) is None


@pytest.mark.parametrize(
    ("products", "last", "reason"),
    [(0, None, "empty"), (0, 10, "empty"), (4, 10, "smaller"), (4, 9, "smaller")],
)
def test_feeds_without_half_of_the_products_are_refused(
    products: int, last: int | None, reason: str
) -> None:
    refusal = by_size(products, last)

    assert refusal
    assert refusal.reason == reason


@pytest.mark.parametrize(("products", "last"), [(1, None), (5, 10), (5, 9), (1, 2), (20, 10)])
def test_half_of_the_products_is_enough(products: int, last: int | None) -> None:
    assert by_size(products, last) is None
