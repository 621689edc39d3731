"""Schedules: intervals, bounds, what was missed, and what is no schedule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.schedules import NoNextTime, Schedule, jitter, plan, upcoming
from schemas.triggers import Malformed, Scheduled, read


def scheduled(**config: Any) -> Scheduled:
    found = read("scheduled", config)
    assert isinstance(found, Scheduled)
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE, KATHMANDU = "Australia/Lord_Howe", "Asia/Kathmandu"


def test_each_so_many_hours_follows_real_time_from_its_start() -> None:
    trigger = scheduled(every_hours=5, start="2026-03-28T23:00:00+01:00", timezone=BERLIN)

    found = upcoming(trigger, at("2026-03-28T22:30"), 3)

    assert found == [at("2026-03-29T03:00"), at("2026-03-29T08:00"), at("2026-03-29T13:00")]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4 *", "61 * * * *", "x", "* * *", "\0"])
def test_a_cron_that_is_never_due_or_cannot_be_read_says_so(cron: str) -> None:
    with pytest.raises((NoNextTime, Malformed), match="cron"):
        Schedule.of(scheduled(cron=cron)).next_after(at("2026-01-01T00:00"))


@pytest.mark.parametrize(
    "config",
    [
        {"at": "9999-12-31T23:59:59Z"},
        {"every_days": 3000, "start": "9999-12-30T00:00:00Z"},
        {"cron": "0 0 1 1 *", "start": "9999-06-01T00:00:00Z"},
        {"every_seconds": 10**8},
    ],
    ids=["at", "every", "cron", "long"],
)
def test_the_year_9999_is_the_end_and_no_error(config: dict[str, Any]) -> None:
    found = upcoming(scheduled(**config), at("9999-12-31T23:59:58"), 3)

    assert len(found) <= 1


def test_a_moment_is_due_once_and_without_an_offset_in_its_zone() -> None:
    trigger = scheduled(at="2026-12-01T09:00:00", timezone=BERLIN)

    assert upcoming(trigger, at("2026-11-01T00:00"), 3) == [at("2026-12-01T08:00")]
    assert upcoming(trigger, at("2026-12-01T08:00"), 3) == []


def test_start_and_end_bound_a_schedule() -> None:
    trigger = scheduled(cron="0 * * * *", start="2026-01-01T10:00:00Z", end="2026-01-01T12:00:00Z")

    found = upcoming(trigger, at("2025-01-01T00:00"), 9)

    assert found == [at("2026-01-01T10:00"), at("2026-01-01T11:00"), at("2026-01-01T12:00")]


@pytest.mark.parametrize(
    ("catch_up", "fire", "missed"),
    [("skip", [], 5), ("once", ["2026-01-01T05:00"], 4), ("all", None, 0)],
)
def test_late_times_are_caught_up_as_the_trigger_says(
    catch_up: str, fire: list[str] | None, missed: int
) -> None:
    trigger = scheduled(cron="0 * * * *", catch_up=catch_up)

    found = plan(trigger, at("2026-01-01T01:00"), at("2026-01-01T05:30"))

    hours = [at(f"2026-01-01T0{hour}:00") for hour in range(1, 6)]
    assert found.fire == (hours if fire is None else [at(one) for one in fire])
    assert found.missed == [hour for hour in hours if hour not in found.fire]
    assert len(found.missed) == missed
    assert found.next == at("2026-01-01T06:00")


def test_what_is_a_little_late_is_not_missed() -> None:
    trigger = scheduled(every_seconds=10, catch_up="skip")

    found = plan(trigger, at("2026-01-01T00:00"), at("2026-01-01T00:00:25"))

    assert len(found.fire) == 3
    assert found.missed == []


def test_a_year_of_seconds_is_counted_and_not_listed() -> None:
    begun = at("2025-01-01T00:00")

    found = plan(scheduled(every_seconds=1), begun, begun + timedelta(days=365))

    listed = len(found.fire) + len(found.missed)
    assert listed <= 1_000
    assert listed + found.more_missed == 365 * 86_400 + 1


def test_decades_of_minutes_are_not_walked_through() -> None:
    found = plan(
        scheduled(cron="* * * * *", catch_up="all"), at("1970-01-01T00:00"), at("2026-01-01T00:00")
    )

    assert found.fire[-1] == at("2026-01-01T00:00")
    assert len(found.fire) + len(found.missed) <= 1_000
    assert found.more_missed >= 1_000
    assert found.next == at("2026-01-01T00:01")


def test_what_was_missed_for_a_year_ends_with_the_latest() -> None:
    begun, now = at("2025-01-01T00:00"), at("2026-01-01T12:00")

    by_minute = plan(scheduled(cron="* * * * *", end="2025-12-31T00:00:00Z"), begun, now)
    by_second = plan(scheduled(cron="* * * * * *", catch_up="skip"), begun, now)

    assert by_minute.fire == [at("2025-12-31T00:00")]
    assert by_minute.missed[-1] == at("2025-12-30T23:59")
    assert by_minute.more_missed >= 1_000
    assert by_second.fire[0] == at("2026-01-01T11:59")
    assert by_second.fire[-1] == now
    assert by_second.next == at("2026-01-01T12:00:01")


@pytest.mark.parametrize("unit", ["every_seconds", "every_minutes", "every_hours", "every_days"])
def test_nothing_is_due_after_the_end_however_late_it_is_seen(unit: str) -> None:
    trigger = scheduled(**{unit: 1}, end="2025-01-03T00:00:00Z", catch_up="all")

    found = plan(trigger, at("2025-01-01T00:00"), at("2025-06-01T00:00"))

    assert found.fire[-1] == at("2025-01-03T00:00")
    assert found.next is None


def test_each_day_keeps_its_time_over_an_outage_on_the_day_of_the_jump() -> None:
    trigger = scheduled(every_days=1, timezone=BERLIN, catch_up="all")

    found = plan(trigger, at("2026-03-28T01:30"), at("2026-03-29T12:00"))

    assert found.fire == [at("2026-03-28T01:30"), at("2026-03-29T01:00")]
    assert found.next == at("2026-03-30T00:30")


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4 *", "0 0 0 31 2,4 *"])
def test_a_day_that_never_comes_is_told_from_one_that_cannot_be_read(cron: str) -> None:
    with pytest.raises(NoNextTime, match="never due"):
        Schedule.of(scheduled(cron=cron))


@given(
    st.sampled_from(["30 2 * * *", "15,45 1 * * *", "30 * * * *", "*/20 2 * * *", "0 30 1 * * *"]),
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU]),
    st.sampled_from(
        ["2026-03-29T01:00", "2026-10-25T01:00", "2026-11-01T06:00", "2026-04-04T15:00",
         "2026-10-03T15:30"]
    ),
    st.integers(-7200, 7200),
)  # fmt: skip
def test_the_next_time_is_after_the_moment_also_while_clocks_turn(
    cron: str, zone: str, turn: str, seconds: int
) -> None:
    moment = at(turn) + timedelta(seconds=seconds)
    schedule = Schedule.of(scheduled(cron=cron, timezone=zone))

    found = schedule.next_after(moment)

    assert found is not None
    assert found > moment
    assert schedule.next_after(found - timedelta(seconds=1)) == found


@given(
    st.sampled_from(
        [
            {"cron": "*/7 * * * *"},
            {"cron": "30 2 * * *"},
            {"every_minutes": 13},
            {"every_days": 1},
            {"cron": "0 0 L * *"},
        ]
    ),
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU, "UTC"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.integers(0, 3 * 86_400),
    st.sampled_from(["skip", "once", "all"]),
)
def test_times_only_go_forward_and_none_is_lost(
    kind: dict[str, Any], zone: str, moment: datetime, late: int, catch_up: str
) -> None:
    trigger = scheduled(**kind, timezone=zone, catch_up=catch_up, catch_up_limit=5)
    due = Schedule.of(trigger).next_after(moment.replace(tzinfo=UTC))
    assert due is not None
    now = due + timedelta(seconds=late)

    found = plan(trigger, due, now)

    times = [due]
    while (following := Schedule.of(trigger).next_after(times[-1])) is not None:
        assert following > times[-1]
        times.append(following)
        if following > now:
            break
    listed = sorted([*found.fire, *found.missed])
    assert found.next == times[-1]
    assert listed == times[:-1][-len(listed) :]
    assert len(listed) + found.more_missed == len(times) - 1


def test_jitter_is_bounded_and_always_the_same() -> None:
    moments = [at("2026-01-01T00:00") + timedelta(hours=hour) for hour in range(200)]

    late = [jitter("a", moment, 60) for moment in moments]

    assert late == [jitter("a", moment, 60) for moment in moments]
    assert 0 <= min(late) < 10 < 50 < max(late) <= 60


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "cron"),
        ({"cron": "* * * * *", "at": "2026-01-01T00:00:00Z"}, "cron and at"),
        ({"every_seconds": 0}, "every_seconds"),
        ({"every_seconds": -5}, "every_seconds"),
        ({"every_days": 10**12}, "every_days"),
        ({"cron": "* * * * *", "timezone": "Mars/Base"}, "time zone"),
        ({"cron": "* * * * *", "timezone": "../../etc/passwd"}, "time zone"),
        ({"cron": "* " * 9000}, "cron"),
        ({"cron": "* * * * *", "colour": 1}, "colour"),
        ({"cron": "* * * * *", "start": "2026-02-01", "end": "2026-01-01"}, "end"),
    ],
    ids=["none", "two", "zero", "negative", "absurd", "zone", "path", "long", "unknown", "order"],
)
def test_what_is_wrong_is_named(config: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed, match=field):
        read("scheduled", config)


def test_a_cron_that_is_days_behind_is_caught_up_at_its_last_times() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    each_second = Scheduled(cron="* * * * * *", timezone="Europe/Berlin")

    found = plan(each_second, now - timedelta(days=3), now)

    assert found.fire[-1] == now
    assert found.next == now + timedelta(seconds=1)
    assert found.more_missed > 0
