"""Which of two times an event counts at: the sender's, or the moment it arrived."""

from datetime import UTC, datetime
from functools import lru_cache

OLDEST_MS = 90 * 24 * 3600 * 1000  # partitions exist this far back; older is an import's work
AHEAD_MS = 5 * 60 * 1000  # clocks that run a little fast


def accepted(occurred: datetime | None, arrival_ms: int) -> tuple[int, str | None]:
    """The event's time in milliseconds since 1970, and `metadata.occurred_at` if it was not kept.

    An aware `occurred` counts from 90 days back to 5 minutes ahead of `arrival_ms`; otherwise
    the arrival counts and the sender's time remains as text (ISO 8601, UTC, `Z`).
    """
    if occurred is None:
        return arrival_ms, None
    ms = to_ms(occurred)
    if arrival_ms - OLDEST_MS <= ms <= arrival_ms + AHEAD_MS:
        return ms, None
    return arrival_ms, iso(occurred)


def to_ms(moment: datetime) -> int:
    """An aware time in milliseconds since 1970, cut, never rounded into the next month."""
    whole = moment.astimezone(UTC)
    return (
        (whole.toordinal() - 719_163) * 86_400_000
        + ((whole.hour * 60 + whole.minute) * 60 + whole.second) * 1000
        + whole.microsecond // 1000
    )


def iso(moment: datetime) -> str:
    """An aware time as ISO 8601 in UTC with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def iso_ms(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC with `Z`, always with three decimals."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
