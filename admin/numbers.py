"""Plain numbers that cost the hot path next to nothing, and how Prometheus is told of them."""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

# A label's value, or several in the order of their names.
Labels = TypeVar("Labels", bound=str | tuple[str, ...])

SECONDS = (
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000, 8000)


class Histogram:
    """How often a value was at most each bound; one lock a call, so call it per batch."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, `times` times."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += times
            self._sum += value * times

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """(bound, how many were at most that) up to +Inf, and the sum of all."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        buckets: list[tuple[str, float]] = []
        so_far = 0
        for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
            so_far += count
            buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), so_far))
        return buckets, total


def gauge(name: str, says: str, value: float) -> Metric:
    """What is so right now."""
    return GaugeMetricFamily(name, says, value)


def gauges(name: str, says: str, names: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    """What is so right now, per label."""
    return _filled(GaugeMetricFamily(name, says, labels=names), values)


def counter(name: str, says: str, value: float) -> Metric:
    """What has happened since the process began; `name` ends with `_total`."""
    return CounterMetricFamily(name, says, value)


def counters(name: str, says: str, names: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    """What has happened since the process began, per label."""
    return _filled(CounterMetricFamily(name, says, labels=names), values)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[Labels, float]
) -> Metric:
    # A copy, made in one step: the process goes on counting meanwhile.
    for labels, value in list(values.items()):
        family.add_metric((labels,) if isinstance(labels, str) else labels, value)
    return family


def histograms(
    name: str, says: str, label: str, values: Mapping[str, Histogram]
) -> HistogramMetricFamily:
    """How a value was distributed since the process began, per label."""
    family = HistogramMetricFamily(name, says, labels=[label])
    for of, histogram in list(values.items()):
        buckets, total = histogram.told()
        family.add_metric([of], buckets, total)
    return family


def histogram(name: str, says: str, value: Histogram) -> Metric:
    """How a value was distributed since the process began."""
    buckets, total = value.told()
    return HistogramMetricFamily(name, says, buckets, total)
