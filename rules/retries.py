"""When a call is made again: soon at first, then by the hour, or when the other side says."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Standard Webhooks 1.0, "Deliverability and reliability": three days and some in all.
_TABLE_SECONDS = (
    5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0,
)  # fmt: skip
JITTER = 0.2
MOST_AFTER_SECONDS = 86_400.0
_MOST_DIGITS = 12


def delay(
    tries: int, most_tries: int, seconds: float | None, after: float | None, chance: float
) -> float | None:
    """Seconds until the next try after so many; None when that was the last.

    `seconds` is a pause of the caller's own, `after` what the other side asks for at least,
    `chance` a random number from 0 to 1.
    """
    if tries >= most_tries:
        return None
    usual = _TABLE_SECONDS[min(tries, len(_TABLE_SECONDS)) - 1] if seconds is None else seconds
    spread = usual * (1 - JITTER + 2 * JITTER * chance)
    return max(spread, min(after or 0.0, MOST_AFTER_SECONDS))


def seconds_after(header: str | None, now: datetime) -> float | None:
    """What `Retry-After` asks for, a number of seconds or a date; None when it says nothing."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MOST_DIGITS])
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return max(0.0, (found - now).total_seconds())
