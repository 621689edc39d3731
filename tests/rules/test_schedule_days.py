"""Schedules: what is due when, on the days the clocks change and on days that do not exist.

The times are literals. The transitions are those of the tz database's files europe,
northamerica, australasia and asia (EU: directive 2000/84/EC, last Sundays of March and October at
01:00 UTC; USA: Energy Policy Act of 2005, second Sunday of March and first of November at 02:00;
Lord Howe: half an hour, first Sundays of October and April at 02:00; Nepal: +05:45, no summer
time). What a fixed time does on such days is Debian's cron's rule (cron(8), "Notes").
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from rules.schedules import upcoming
from schemas.triggers import Scheduled, read


def scheduled(**config: Any) -> Scheduled:
    found = read("scheduled", config)
    assert isinstance(found, Scheduled)
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE, KATHMANDU = "Australia/Lord_Howe", "Asia/Kathmandu"

# zone, cron, after (UTC), due (UTC)
DAYS = (
    # 2026-03-29: 02:00 becomes 03:00, there is no 02:30
    (BERLIN, "30 2 * * *", "2026-03-27T12:00",
     ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    # 2026-10-25: 03:00 becomes 02:00, 02:30 comes twice
    (BERLIN, "30 2 * * *", "2026-10-23T12:00",
     ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    (BERLIN, "*/30 * * * *", "2026-03-29T00:00",
     ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30", "2026-03-29T02:00"]),
    (BERLIN, "*/30 * * * *", "2026-10-25T00:00",
     ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"]),
    (BERLIN, "0 9 * * 1-5", "2026-03-27T12:00", ["2026-03-30T07:00", "2026-03-31T07:00"]),
    # The same with seconds in front
    (BERLIN, "0 30 2 * * *", "2026-03-27T12:00",
     ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    (BERLIN, "0 30 2 * * *", "2026-10-23T12:00",
     ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    # Asked while 02:00 to 03:00 is shown again: what was due the first time is over
    (BERLIN, "30 2 * * *", "2026-10-25T01:00", ["2026-10-26T01:30"]),
    (BERLIN, "15,45 2 * * *", "2026-10-25T01:20", ["2026-10-26T01:15", "2026-10-26T01:45"]),
    # 2026-03-08: 02:00 becomes 03:00
    (NEW_YORK, "30 2 * * *", "2026-03-06T12:00",
     ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"]),
    # 2026-11-01: 02:00 becomes 01:00, 01:30 comes twice
    (NEW_YORK, "30 1 * * *", "2026-10-30T12:00",
     ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"]),
    (NEW_YORK, "30 * * * *", "2026-11-01T05:00",
     ["2026-11-01T05:30", "2026-11-01T06:30", "2026-11-01T07:30"]),
    # 2026-10-04: 02:00 becomes 02:30, there is no 02:15
    (LORD_HOWE, "15 2 * * *", "2026-10-02T00:00",
     ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"]),
    (LORD_HOWE, "30 2 * * *", "2026-10-02T00:00",
     ["2026-10-02T16:00", "2026-10-03T15:30", "2026-10-04T15:30"]),
    # 2026-04-05: 02:00 becomes 01:30, 01:45 comes twice
    (LORD_HOWE, "45 1 * * *", "2026-04-03T00:00",
     ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"]),
    (LORD_HOWE, "30 2 * * *", "2026-04-03T00:00",
     ["2026-04-03T15:30", "2026-04-04T16:00", "2026-04-05T16:00"]),
    # Real time through the half hour that is shown again, and the one that is left out
    (LORD_HOWE, "30 * * * *", "2026-04-04T14:00",
     ["2026-04-04T14:30", "2026-04-04T15:00", "2026-04-04T16:00"]),
    (LORD_HOWE, "*/20 2 * * *", "2026-04-04T10:40",
     ["2026-04-04T15:30", "2026-04-04T15:50", "2026-04-04T16:10"]),
    (LORD_HOWE, "30 * * * *", "2026-10-03T14:00",
     ["2026-10-03T15:00", "2026-10-03T15:30", "2026-10-03T16:30"]),
    (KATHMANDU, "30 2 * * *", "2026-03-28T00:00",
     ["2026-03-28T20:45", "2026-03-29T20:45", "2026-03-30T20:45"]),
    (KATHMANDU, "0 0 1 1 *", "2026-06-01T00:00", ["2026-12-31T18:15", "2027-12-31T18:15"]),
    # Ends of months, and a day that comes each fourth year
    ("UTC", "0 0 31 * *", "2026-01-31T12:00",
     ["2026-03-31T00:00", "2026-05-31T00:00", "2026-07-31T00:00"]),
    ("UTC", "0 0 L * *", "2026-01-31T12:00",
     ["2026-02-28T00:00", "2026-03-31T00:00", "2026-04-30T00:00"]),
    ("UTC", "0 0 29 2 *", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
    ("UTC", "* * * * * *", "2026-01-01T00:00",
     ["2026-01-01T00:00:01", "2026-01-01T00:00:02"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "cron", "after", "due"), DAYS, ids=[f"{d[0]}-{d[1]}-{d[2]}" for d in DAYS]
)
def test_a_time_of_day_comes_once_a_day_whatever_the_clocks_do(
    zone: str, cron: str, after: str, due: list[str]
) -> None:
    found = upcoming(scheduled(cron=cron, timezone=zone), at(after), len(due))

    assert found == [at(one) for one in due]


# zone, every so many days from, after (UTC), due (UTC)
EACH_DAY = (
    (BERLIN, "2026-03-20T02:30", "2026-03-28T00:00",
     ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
    (BERLIN, "2026-10-20T02:30", "2026-10-24T00:00",
     ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
    (LORD_HOWE, "2026-10-01T02:15", "2026-10-02T00:00",
     ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "start", "after", "due"), EACH_DAY, ids=[f"{d[0]}-{d[1]}" for d in EACH_DAY]
)
def test_each_day_means_the_same_time_of_day(
    zone: str, start: str, after: str, due: list[str]
) -> None:
    trigger = scheduled(every_days=1, start=start, timezone=zone)

    assert upcoming(trigger, at(after), len(due)) == [at(one) for one in due]
