"""Schedules: the times a workflow is due, by the wall clock of a time zone.

Summer time by Debian's cron: a fixed time that the clock jumps over is due right after the jump,
one that comes twice is due the first time; what is due each so many minutes follows real time
(cron(8) of Debian, "Notes").
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from base.errors import Misused
from schemas.triggers import Scheduled

GRACE = timedelta(seconds=60)  # who is later than that has missed it
MOST_LISTED = 1_000
_MOST_STEPS = 10_000
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"every_seconds": 1, "every_minutes": 60, "every_hours": 3600}


class NoNextTime(Misused):
    """A schedule that will never be due; the text says why."""


class Plan(NamedTuple):
    """What is due now, what was missed, how many more were missed unlisted, and the next time."""

    fire: list[datetime]
    missed: list[datetime]
    more_missed: int
    next: datetime | None


class Schedule:
    """The due times of one scheduled trigger, in UTC."""

    def __init__(self, trigger: Scheduled) -> None:
        self._trigger = trigger
        self._zone = ZoneInfo(trigger.timezone)
        self._start = None if trigger.start is None else trigger.moment(trigger.start)
        self._end = None if trigger.end is None else trigger.moment(trigger.end)
        self._cron = _cron(trigger.cron) if trigger.cron is not None else None
        self.seconds = next(
            (
                getattr(trigger, name) * unit
                for name, unit in _UNITS.items()
                if getattr(trigger, name) is not None
            ),
            None,
        )

    @staticmethod
    def of(trigger: Scheduled) -> "Schedule":
        """The schedule of a trigger, kept for the next who asks; raises `NoNextTime`."""
        return _schedule(trigger.model_dump_json(exclude={"settings", "campaign"}))

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due time after `moment`, both UTC; None when it is over."""
        try:
            found = self._after(moment)
        except (OverflowError, ValueError):
            return None  # beyond the year 9999
        if found is None or (self._end is not None and found > self._end):
            return None
        return found

    def _after(self, moment: datetime) -> datetime | None:
        trigger = self._trigger
        if trigger.at is not None:
            at = trigger.moment(trigger.at)
            return at if at > moment else None
        if self._start is not None and moment < self._start:
            if self._cron is None:
                return self._start
            moment = self._start - timedelta(microseconds=1)
        if self._cron is not None:
            return self._cron_after(moment)
        if self.seconds is not None:
            if self._start is None:
                return moment + timedelta(seconds=self.seconds)
            step = timedelta(seconds=self.seconds)
            return self._start + step * ((moment - self._start) // step + 1)
        assert trigger.every_days is not None
        return self._days_after(moment, trigger.every_days)

    def _cron_after(self, moment: datetime) -> datetime | None:
        assert self._cron is not None
        local = moment.astimezone(self._zone)
        try:
            found: datetime = next(CronSim(self._cron, local))
        except StopIteration:
            raise NoNextTime(f"cron `{self._cron}` is never due: no such day comes") from None
        return found.astimezone(UTC)

    def _days_after(self, moment: datetime, days: int) -> datetime:
        """Each so many days at the same time of day."""
        anchor = (self._start or moment).astimezone(self._zone).replace(tzinfo=None)
        local = moment.astimezone(self._zone).replace(tzinfo=None)
        steps = max(0, (local - anchor) // timedelta(days=days))
        while True:
            wall = anchor + timedelta(days=days * steps)
            found = _instant(wall, self._zone)
            if found > moment:
                return found
            steps += 1


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A wall time as an instant: the first of two, and after the gap when there is none."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    back = instant.astimezone(zone).replace(tzinfo=None)
    if back == wall:
        return instant
    # The clock jumped over it. With the offset before the jump it lies behind by as much.
    before = wall.replace(tzinfo=zone, fold=0).utcoffset()
    after = wall.replace(tzinfo=zone, fold=1).utcoffset()
    assert before is not None
    assert after is not None
    low, high = sorted(((wall - before), (wall - after)))
    low, high = low.replace(tzinfo=UTC), high.replace(tzinfo=UTC)
    start = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == start:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


@lru_cache(5_000)
def _schedule(dumped: str) -> Schedule:
    return Schedule(Scheduled.model_validate_json(dumped))


@lru_cache(5_000)
def _cron(expression: str) -> str:
    """A cron expression that cronsim reads; raises `NoNextTime` when it does not."""
    plain = _ALIASES.get(expression.strip().lower(), expression.strip())
    try:
        CronSim(plain, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise NoNextTime(
            f"cron `{expression[:100]}` cannot be read ({error}): it has five fields, minute hour"
            " day month weekday, or six with seconds in front, such as `0 9 * * 1-5`"
        ) from None
    return plain


def plan(trigger: Scheduled, due: datetime, now: datetime) -> Plan:
    """What of the times from `due` to `now` fires, by the trigger's way of catching up."""
    schedule = Schedule.of(trigger)
    times, skipped, following = _times(schedule, due, now)
    late = [moment for moment in times if now - moment > GRACE]
    fresh = times[len(late) :]
    if trigger.catch_up == "all":
        room = max(0, trigger.catch_up_limit - len(fresh))
        fire, missed = late[len(late) - room :] if room else [], late[: len(late) - room]
    elif trigger.catch_up == "once" and late and not fresh:
        fire, missed = late[-1:], late[:-1]
    else:
        fire, missed = [], late
    return Plan([*fire, *fresh], missed, skipped, following)


def _times(
    schedule: Schedule, due: datetime, now: datetime
) -> tuple[list[datetime], int, datetime | None]:
    """The times from `due` to `now`, the last of them; how many before; and the one after."""
    skipped = 0
    if schedule.seconds is not None:
        step = timedelta(seconds=schedule.seconds)
        behind = (now - due) // step - MOST_LISTED
        if behind > 0:
            skipped, due = behind, due + step * behind
    found: list[datetime] = []
    moment: datetime | None = due
    steps = 0
    while moment is not None and moment <= now:
        if steps == _MOST_STEPS:
            moment = schedule.next_after(now)
            break
        found.append(moment)
        steps += 1
        if steps == MOST_LISTED:
            # Far behind: what lies between is not walked through, so "at least" is said of it.
            latest = now - (moment - due) / 2
            if latest > moment:
                skipped += len(found)
                found = []
                moment = latest
        moment = schedule.next_after(moment)
    over = len(found) - MOST_LISTED
    return (found[over:], skipped + over, moment) if over > 0 else (found, skipped, moment)


def jitter(workflow_id: str, due: datetime, seconds: float) -> float:
    """How much later than due this time starts, from 0 to `seconds`; always the same."""
    seed = f"{workflow_id}:{due.isoformat()}".encode()
    return int.from_bytes(hashlib.sha256(seed).digest()[:4]) / 2**32 * seconds


def upcoming(trigger: Scheduled, moment: datetime, number: int) -> list[datetime]:
    """The next so many due times after `moment`, fewer when it is over before."""
    return list(_upcoming(Schedule.of(trigger), moment, number))


def _upcoming(schedule: Schedule, moment: datetime, number: int) -> Iterator[datetime]:
    for _ in range(number):
        found = schedule.next_after(moment)
        if found is None:
            return
        yield found
        moment = found
