"""When a call is made again."""

from datetime import UTC, datetime

import pytest

from rules.retries import delay, seconds_after

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_the_pauses_are_those_of_standard_webhooks() -> None:
    found = [delay(tries, 12, None, None, 0.5) for tries in range(1, 13)]

    hours = [2, 5, 10, 14, 20, 24, 24, 24]
    assert found == pytest.approx([5, 300, 1800, *(3600 * one for one in hours), None])


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 240.0), (0.5, 300.0), (1.0, 360.0)])
def test_a_pause_is_a_fifth_longer_or_shorter(chance: float, seconds: float) -> None:
    assert delay(2, 8, None, None, chance) == pytest.approx(seconds)


def test_a_step_may_have_a_pause_of_its_own() -> None:
    assert delay(3, 8, 10.0, None, 0.5) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("after", "seconds"), [(1.0, 5.0), (100.0, 100.0), (1e9, 86_400.0)],
    ids=["less", "more", "too-much"],
)  # fmt: skip
def test_the_other_side_may_ask_for_a_longer_pause_but_not_for_ever(
    after: float, seconds: float
) -> None:
    assert delay(1, 8, None, after, 0.5) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 0 ", 0.0), ("Mon, 23 Nov 2026 12:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0), ("", None), (None, None), ("soon", None),
        ("-5", None), ("1.5", None), ("9" * 5_000, 999_999_999_999.0), ("\uff11\uff12", None),
    ],
    ids=["seconds", "zero", "date", "past", "empty", "none", "word", "negative", "fraction",
         "long", "full-width"],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_after(header, NOW) == seconds
