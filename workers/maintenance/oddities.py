"""Oddities: how many payments of the last day a person may want to look at, for /metrics."""

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import Metric

from admin.numbers import gauges
from base.clock import now
from db import oddities
from db.connection import transaction

BACK = timedelta(hours=24)
_LIMIT_SECONDS = 60
_WAIT_SECONDS = 2.0

_last: dict[str, int] | None = None


def count() -> None:
    """Count them, and keep that for whoever asks this process."""
    global _last
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
        _last = oddities.counts(tx, now() - BACK)


def collect() -> Iterator[Metric]:
    """What was counted last; nothing before the first time."""
    if _last is None:
        return
    yield gauges(
        "hopfleet_odd_orders",
        "Orders with payments of the last 24 hours that follow no campaign (unattributed), or are"
        " flagged: orphan, excess, no_rate, conflict, outside_window.",
        ("kind",), _last,
    )  # fmt: skip
