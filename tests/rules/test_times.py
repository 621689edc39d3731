"""Times: how far a sender's clock is believed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rules.times import accepted, iso, to_ms

ARRIVAL = datetime(2026, 11, 22, 12, tzinfo=UTC)
ARRIVAL_MS = to_ms(ARRIVAL)


@pytest.mark.parametrize(
    "away", [timedelta(0), timedelta(days=-90), timedelta(minutes=5), timedelta(milliseconds=-1)]
)
def test_a_time_within_90_days_back_and_5_minutes_ahead_counts(away: timedelta) -> None:
    assert accepted(ARRIVAL + away, ARRIVAL_MS) == (to_ms(ARRIVAL + away), None)


@pytest.mark.parametrize(
    ("occurred", "text"),
    [
        (ARRIVAL - timedelta(days=90, milliseconds=1), "2026-08-24T11:59:59.999000Z"),
        (ARRIVAL + timedelta(minutes=5, milliseconds=1), "2026-11-22T12:05:00.001000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, tzinfo=UTC), "9999-12-31T00:00:00Z"),
    ],
)
def test_any_other_time_is_kept_as_text_and_arrival_counts(occurred: datetime, text: str) -> None:
    assert accepted(occurred, ARRIVAL_MS) == (ARRIVAL_MS, text)


def test_without_a_time_arrival_counts() -> None:
    assert accepted(None, ARRIVAL_MS) == (ARRIVAL_MS, None)


def test_the_last_microsecond_of_a_month_stays_in_it() -> None:
    last = datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)

    assert to_ms(last) == to_ms(datetime(2026, 11, 1, tzinfo=UTC)) - 1


def test_offsets_become_utc() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))

    assert iso(moment) == "2025-12-31T23:00:00Z"
    assert to_ms(moment) == moment.timestamp() * 1000
