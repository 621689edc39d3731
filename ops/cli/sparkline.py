"""Sparklines: numbers as one line of small bars."""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

_BARS = "▁▂▃▄▅▆▇█"


def drawn(values: Sequence[Decimal | int | None]) -> str:
    """A bar for each, from the least to the most; a blank for None, all low when all are equal."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    least, span = min(known), max(known) - min(known)
    return "".join(_bar(value, least, span) for value in values)


def _bar(value: Decimal | int | None, least: Decimal | int, span: Decimal | int) -> str:
    if value is None:
        return " "
    return _BARS[int((value - least) * (len(_BARS) - 1) / span)] if span else _BARS[0]


def daily(
    rows: Sequence[dict[str, Any]], name: str, since: datetime.date, until: datetime.date
) -> list[Any]:
    """What held on each day, ends included: rows, oldest first, hold from their `day` on."""
    held, at, values = None, 0, []
    for number in range((until - since).days + 1):
        day = since + datetime.timedelta(days=number)
        while at < len(rows) and rows[at]["day"] <= day:
            held = rows[at][name]
            at += 1
        values.append(held)
    return values
