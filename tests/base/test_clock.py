"""The clock of another machine, followed by our own steady one."""

from datetime import UTC, datetime

import pytest

from base.clock import OffsetClock, from_ms, now, steady, wall_ms


def test_it_starts_with_this_hosts_time_and_says_that_nobody_measured() -> None:
    clock = OffsetClock()

    assert abs(clock.ms() - wall_ms()) < 1_000
    assert not clock.measured


@pytest.mark.parametrize("ahead_seconds", [0, 7, -7, 86_400 * 400])
def test_it_follows_the_other_machine_however_far_off_that_is(ahead_seconds: int) -> None:
    clock = OffsetClock()

    clock.set(wall_ms() + ahead_seconds * 1000)

    assert clock.measured
    assert clock.ms() - wall_ms() == pytest.approx(ahead_seconds * 1000, abs=1_000)
    assert clock.ahead_of_host_seconds() == pytest.approx(ahead_seconds, abs=1)


def test_it_never_goes_back_between_measurements() -> None:
    clock = OffsetClock()

    seen = [clock.ms() for _ in range(10_000)]

    assert seen == sorted(seen)


def test_times_are_aware_and_in_utc() -> None:
    assert now().tzinfo is UTC
    assert from_ms(1_795_365_000_250) == datetime(2026, 11, 22, 16, 30, 0, 250_000, UTC)


def test_steady_seconds_only_go_forward() -> None:
    seen = [steady() for _ in range(1_000)]

    assert seen == sorted(seen)
