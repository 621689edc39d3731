"""Schedules: the times a workflow is due, by the wall clock of a time zone.

Summer time by Debian's cron: a fixed time that the clock jumps over is due right after the jump,
one that comes twice is due the first time; what is due each so many minutes follows real time
(cron(8) of Debian, "Notes").
"""

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from base.errors import Misused
from rules import cron
from schemas.triggers import Scheduled

GRACE = timedelta(seconds=60)  # who is later than that has missed it
MOST_LISTED = 1_000
_MOST_COUNTED = 1_000  # of those by cron that are not listed: "at least" so many
_UNITS = {"every_seconds": 1, "every_minutes": 60, "every_hours": 3600}


class NoNextTime(Misused):
    """A schedule that will never be due; the text says why."""


class Plan(NamedTuple):
    """What is due now, what was missed, how many more were missed unlisted, and the next time.

    By cron `more_missed` is counted to 1,000 only: at least so many.
    """

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
        if trigger.cron is not None and (fault := cron.fault(trigger.cron)) is not None:
            raise NoNextTime(fault)
        seconds = next(
            (
                getattr(trigger, name) * unit
                for name, unit in _UNITS.items()
                if getattr(trigger, name) is not None
            ),
            None,
        )
        self._step = None if seconds is None else timedelta(seconds=seconds)

    @staticmethod
    def of(trigger: Scheduled) -> "Schedule":
        """The schedule of a trigger, kept for the next who asks; raises `NoNextTime`."""
        return _schedule(
            trigger.cron,
            trigger.every_seconds,
            trigger.every_minutes,
            trigger.every_hours,
            trigger.every_days,
            trigger.at,
            trigger.timezone,
            trigger.start,
            trigger.end,
        )

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due time after `moment`, both UTC; None when it is over."""
        return self._bounded(moment, moment)

    def _bounded(self, moment: datetime, anchor: datetime) -> datetime | None:
        try:
            found = self._after(moment, anchor)
        except (OverflowError, ValueError):
            return None  # beyond the year 9999
        if found is None or (self._end is not None and found > self._end):
            return None
        return found

    def _after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """`anchor` is what is counted from when there is no `start`."""
        trigger = self._trigger
        if trigger.at is not None:
            at = trigger.moment(trigger.at)
            return at if at > moment and (self._start is None or at >= self._start) else None
        if self._start is not None and moment < self._start:
            if trigger.cron is None:
                return self._start
            moment = self._start - timedelta(microseconds=1)
        if trigger.cron is not None:
            found = cron.after(trigger.cron, trigger.timezone, moment)
            if found is None:
                raise NoNextTime(f"cron {trigger.cron!r} is never due: no such day comes")
            return found
        anchor = self._start or anchor
        if self._step is not None:
            return anchor + self._step * ((moment - anchor) // self._step + 1)
        number = self._days(moment, anchor)
        while (found := self._day(anchor, number)) <= moment:
            number += 1
        return found

    def _days(self, moment: datetime, anchor: datetime) -> int:
        """How many whole rounds of `every_days` the wall clock has gone from `anchor`."""
        assert self._trigger.every_days is not None
        walls = [one.astimezone(self._zone).replace(tzinfo=None) for one in (anchor, moment)]
        return max(0, (walls[1] - walls[0]) // timedelta(days=self._trigger.every_days))

    def _day(self, anchor: datetime, number: int) -> datetime:
        """The time that many rounds after `anchor`: the same time of day."""
        assert self._trigger.every_days is not None
        wall = anchor.astimezone(self._zone).replace(tzinfo=None, fold=0)
        days = timedelta(days=self._trigger.every_days * number)
        return cron.instant(wall + days, self._zone)

    def until(self, due: datetime, now: datetime) -> tuple[list[datetime], int, datetime | None]:
        """`due` and the times after it until `now`, the last of them; how many before; the next."""
        last = now if self._end is None else min(now, self._end)
        first = self._bounded(due, due)
        if first is None or first > last:
            return [due], 0, first
        if self._trigger.cron is not None:
            found, before = self._crons(self._trigger.cron, first, last)
        elif self._step is not None:
            count = (last - first) // self._step + 1
            before = max(0, count - MOST_LISTED)
            found = [first + self._step * number for number in range(before, count)]
        else:
            found, before = self._each_day(due, first, last)
        following = self._bounded(found[-1], due)
        times = [due, *found]
        over = max(0, len(times) - MOST_LISTED) if not before else 1
        return times[over:], before + over, following

    def _crons(self, told: str, first: datetime, last: datetime) -> tuple[list[datetime], int]:
        """From the last backwards: what is long past is not worth a look."""
        found: list[datetime] = []
        for time in islice(
            cron.before(told, self._trigger.timezone, last), MOST_LISTED + _MOST_COUNTED
        ):
            found.append(time)
            if time <= first:
                break
        return found[:MOST_LISTED][::-1], max(0, len(found) - MOST_LISTED)

    def _each_day(
        self, due: datetime, first: datetime, last: datetime
    ) -> tuple[list[datetime], int]:
        anchor = self._start or due
        begin = self._days(first, anchor)
        listed = max(begin, self._days(last, anchor) - MOST_LISTED)
        found: list[datetime] = []
        with suppress(OverflowError):  # the last one may be the calendar's
            # While the clock repeats itself, one round more has been than it shows.
            for number in range(listed, self._days(last, anchor) + 2):
                found.append(self._day(anchor, number))
        return [time for time in found if first <= time <= last], listed - begin


@lru_cache(5_000)
def _schedule(
    said: str | None,
    seconds: int | None,
    minutes: int | None,
    hours: int | None,
    days: int | None,
    at: datetime | None,
    timezone: str,
    start: datetime | None,
    end: datetime | None,
) -> Schedule:
    return Schedule(
        Scheduled(
            cron=said,
            every_seconds=seconds,
            every_minutes=minutes,
            every_hours=hours,
            every_days=days,
            at=at,
            timezone=timezone,
            start=start,
            end=end,
        )
    )


def plan(trigger: Scheduled, due: datetime, now: datetime) -> Plan:
    """What of the times from `due` to `now` fires, by the trigger's way of catching up."""
    times, skipped, following = Schedule.of(trigger).until(due, now)
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


def jitter(workflow_id: str, due: datetime, seconds: float) -> float:
    """How much later than due this time starts, from 0 to `seconds`; always the same."""
    seed = f"{workflow_id}:{due.isoformat()}".encode()
    return int.from_bytes(hashlib.sha256(seed).digest()[:4]) / 2**32 * seconds


def upcoming(trigger: Scheduled, moment: datetime, number: int) -> list[datetime]:
    """The next so many due times after `moment`, fewer when it is over before."""
    schedule = Schedule.of(trigger)
    found: list[datetime] = []
    following = schedule.next_after(moment)
    while following is not None and len(found) < number:
        found.append(following)
        following = schedule.next_after(following)
    return found
