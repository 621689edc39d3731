"""Cron: the moments an expression is due, by the wall clock of a time zone, either way in time.

cronsim reads the expression and walks wall times that know no zone; what they are as moments is
decided here, by Debian's cron's rule (cron(8), "Notes"): a fixed time that the clock jumps over
is due right after the jump, one that it shows twice is due the first time; a job with `*` in its
time of day follows real time. cronsim's own zones are wrong for turns of half an hour, inside
the repeated hour, and for six fields.
"""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SECOND = timedelta(seconds=1)
_ANY = datetime(2024, 1, 1)


def fault(expression: str) -> str | None:
    """What is wrong with an expression, as a sentence; None when it can be read."""
    fields = _plain(expression).split()
    try:
        CronSim(" ".join(fields), _ANY)
    except CronSimError as error:
        others = [*fields[:-3], "1", *fields[-2:]], [*fields[:-2], "*", *fields[-1:]]
        if len(fields) in (5, 6) and all(map(_readable, others)):
            # The day is one that some month has, and the months are not among them.
            return f"cron {expression[:100]!r} is never due: no such day comes"
        return (
            f"cron {expression[:100]!r} cannot be read ({error}): it has five fields, minute hour"
            " day month weekday, or six with seconds in front, such as `0 9 * * 1-5`"
        )
    return None


def _readable(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), _ANY)
    except CronSimError:
        return False
    return True


def _plain(expression: str) -> str:
    return ALIASES.get(expression.strip().lower(), expression.strip())


@lru_cache(50_000)
def after(expression: str, zone: str, moment: datetime) -> datetime | None:
    """The first due time after `moment`, both UTC; None when there is none in 50 years.

    Kept for all who share an expression, a zone and a moment. Raises `OverflowError` or
    `ValueError` beyond the year 9999.
    """
    return _cron(expression, zone).after(moment)


def before(expression: str, zone: str, moment: datetime) -> Iterator[datetime]:
    """The due times from `moment` backwards, itself included; both UTC."""
    return _cron(expression, zone).before(moment)


@lru_cache(5_000)
def _cron(expression: str, zone: str) -> "_Cron":
    return _Cron(_plain(expression), ZoneInfo(zone))


class _Cron:
    def __init__(self, plain: str, zone: ZoneInfo) -> None:
        self._parsed = CronSim(plain, _ANY)
        self._zone = zone
        # Seconds, when there are any, minutes and hours.
        self._follows = any(field.startswith("*") for field in plain.split()[:-3])

    def _walls(self, wall: datetime, back: bool = False) -> Iterator[datetime]:
        """Wall times that match: after `wall`, or from it backwards."""
        walk: CronSim = copy.copy(self._parsed)
        walk.dt = wall.replace(microsecond=0, fold=0)
        walk.tick_direction = -1 if back else 1
        walk.skip_initial_tick = back
        return walk

    def after(self, moment: datetime) -> datetime | None:
        local = moment.astimezone(self._zone)
        wall = local.replace(tzinfo=None)
        if not self._follows:
            times = (instant(found, self._zone) for found in self._walls(wall))
            return next((found for found in times if found > moment), None)
        found = self._shown_after(wall, moment)
        repeat = _repeat(local)
        if local.fold or not repeat:
            return found
        # The clock is going to turn back, and what it shows again is due again.
        turn = _turn(moment, moment + repeat, self._zone)
        if found is not None and found < turn:
            return found
        again = self._shown_after(_wall(turn, self._zone) - _SECOND, turn - _SECOND)
        return min((one for one in (found, again) if one is not None), default=None)

    def _shown_after(self, wall: datetime, moment: datetime) -> datetime | None:
        while True:
            found = next(self._walls(wall), None)
            if found is None:
                return None
            for time in _shown(found, self._zone):
                if time > moment:
                    return time
            # The clock jumps over it, or has shown it twice already.
            wall = max(found, _wall(instant(found, self._zone), self._zone) - _SECOND)

    def before(self, moment: datetime) -> Iterator[datetime]:
        local = moment.astimezone(self._zone)
        # While the clock repeats itself, later wall times have been before.
        wall = local.replace(tzinfo=None) + (_repeat(local) if local.fold else timedelta())
        times = self._real(wall) if self._follows else self._fixed(wall)
        return (found for found in times if found <= moment)

    def _fixed(self, wall: datetime) -> Iterator[datetime]:
        last = None
        for found in self._walls(wall, back=True):
            time = instant(found, self._zone)
            if time != last:
                yield time
            last = time

    def _real(self, wall: datetime) -> Iterator[datetime]:
        first: list[datetime] = []  # of times shown twice: all second ones come before them
        for found in self._walls(wall, back=True):
            times = _shown(found, self._zone)
            if len(times) == 2:
                first.append(times[0])
                yield times[1]
                continue
            yield from first
            first.clear()
            yield from times
        yield from first


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A wall time as a moment: the first of two, and right after the gap when there is none."""
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(found, zone) == wall:
        return found
    # The clock jumps over it: the jump lies between what both of its offsets make of it.
    other = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _turn(min(found, other), max(found, other), zone)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _shown(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments at which clocks show it, the earlier first: none, one or two."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return [first]
    return [first, second] if _wall(first, zone) == wall else []


def _repeat(local: datetime) -> timedelta:
    """By how much the clock turns back, for a local time that it shows twice; else nothing."""
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    return first - second


def _turn(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second after `low` and until `high` from which clocks have another offset."""
    start = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == start:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
