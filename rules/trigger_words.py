"""Triggers in words: when a workflow runs, as a person would say it."""

import re
from datetime import datetime

from schemas.triggers import EventTrigger, Manual, Scheduled, Trigger

_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_UNITS = ("second", "minute", "hour", "day")
_ALIASES = {
    "@yearly": "each year on 1 January at 00:00",
    "@annually": "each year on 1 January at 00:00",
    "@monthly": "on day 1 of each month at 00:00",
    "@weekly": "Sundays at 00:00",
    "@daily": "every day at 00:00",
    "@midnight": "every day at 00:00",
    "@hourly": "every hour",
}
_EVENTS = {
    "click": "a click",
    "conversion": "a sale",
    "refund": "a refund",
    "rebill": "a rebill",
    "bonus_delivered": "a bonus is delivered",
    "content_published": "content is published",
    "subscription_changed": "the subscription changes",
    "product_changed": "{product} changes",
    "gravity_crossed": "the gravity of {product} changes",
    "commission_changed": "the commission of {product} changes",
    "product_vanished": "{product} vanishes",
    "product_returned": "{product} is back",
    "hook": "its hook is called",
}


def sentence(trigger: Trigger) -> str:
    """When it runs, in words; the exact definition where words would be longer."""
    if isinstance(trigger, Manual):
        said = "when somebody runs it"
    elif isinstance(trigger, Scheduled):
        said = _scheduled(trigger)
    else:
        said = _event(trigger)
    return f"{said}, for campaign {trigger.campaign}" if trigger.campaign else said


def _scheduled(trigger: Scheduled) -> str:
    if trigger.at is not None:
        return f"once, on {_moment(trigger, trigger.at)}"
    if trigger.cron is not None:
        said = f"{_cron(trigger.cron)}, {trigger.timezone}"
    else:
        said = _every(trigger)
    if trigger.start is not None:
        said += f", from {_moment(trigger, trigger.start)}"
    if trigger.end is not None:
        said += f", until {_moment(trigger, trigger.end)}"
    return said


def _moment(trigger: Scheduled, told: datetime) -> str:
    zone = f"UTC{told:%z}".removesuffix("+0000") if told.tzinfo else trigger.timezone
    return f"{told:%Y-%m-%d %H:%M}{f':{told:%S}' if told.second else ''} {zone}"


def _every(trigger: Scheduled) -> str:
    for unit in _UNITS:
        number = getattr(trigger, f"every_{unit}s")
        if number is not None:
            said = f"every {unit}" if number == 1 else f"every {number:,} {unit}s"
            return f"{said}, {trigger.timezone}" if unit == "day" else said
    return "never"


def _cron(expression: str) -> str:
    plain = " ".join(expression.split()).lower()
    if plain in _ALIASES:
        return _ALIASES[plain]
    fields = plain.split(" ")
    if plain == "* * * * * *":
        return "every second"
    if len(fields) != 5:
        return f"cron `{expression}`"
    minute, hour, day, month, weekday = fields
    time, days = _time(minute, hour), _days(day, month, weekday)
    if time is None or days is None:
        return f"cron `{expression}`"
    if days == "every day" and not time.startswith("at "):
        return time
    return f"{days} {time}"


def _time(minute: str, hour: str) -> str | None:
    if hour == "*":
        if minute == "*":
            return "every minute"
        if step := re.fullmatch(r"\*/(\d+)", minute):
            return f"every {step[1]} minutes"
        if minute.isdigit():
            return f"every hour at :{int(minute):02}"
        return None
    if not minute.isdigit() or not all(part.isdigit() for part in hour.split(",")):
        return None
    times = [f"{int(part):02}:{int(minute):02}" for part in hour.split(",")]
    return "at " + (times[0] if len(times) == 1 else f"{', '.join(times[:-1])} and {times[-1]}")


def _days(day: str, month: str, weekday: str) -> str | None:
    if month != "*":
        return None
    if weekday == "*":
        if day == "*":
            return "every day"
        if day == "l":
            return "on the last day of each month"
        return f"on day {day} of each month" if day.isdigit() else None
    if day != "*":
        return None
    for number, name in enumerate(_NAMES):
        weekday = weekday.replace(name, str(number))
    if weekday == "1-5":
        return "weekdays"
    found = [int(part) % 7 for part in weekday.split(",") if part.isdigit()]
    if len(found) != len(weekday.split(",")):
        return None
    days = [_DAYS[one] for one in found]
    return days[0] if len(days) == 1 else f"{', '.join(days[:-1])} and {days[-1]}"


def _event(trigger: EventTrigger) -> str:
    what = _EVENTS[trigger.event].format(product=_product(trigger)) + _crossing(trigger)
    if trigger.batch is not None:
        said = f"once per {trigger.batch:,} times that {_that(what)}"
        if trigger.batch_seconds is not None:
            said += f", or {_seconds(trigger.batch_seconds)} after the first"
    else:
        said = f"when {_that(what)}"
    if trigger.debounce_seconds is not None:
        said += f", {_seconds(trigger.debounce_seconds)} after the last"
    if trigger.throttle_seconds is not None:
        said += f", at most once in {_seconds(trigger.throttle_seconds)}"
    if trigger.where:
        said += f", where {' and '.join(trigger.where)}"
    return said


def _crossing(trigger: EventTrigger) -> str:
    above = [] if trigger.above is None else [f"to {trigger.above:g} or more"]
    below = [] if trigger.below is None else [f"to less than {trigger.below:g}"]
    return " " + " or ".join(above + below) if above or below else ""


def _product(trigger: EventTrigger) -> str:
    named = trigger.products
    if isinstance(named, list):
        said = f"one of {', '.join(named[:5])}{', …' if len(named) > 5 else ''}"
    elif named == "all" or (named is None and trigger.category) or not trigger.asks_for_products:
        said = "a product"
    else:
        said = "a campaign's product"
    return said + (f" in {trigger.category}" if trigger.category else "")


def _that(what: str) -> str:
    is_said = any(word in what for word in (" is ", "changes", "vanishes"))
    return what if is_said else f"there is {what}"


def _seconds(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds:g} seconds"
