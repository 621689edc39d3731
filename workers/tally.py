"""What this worker process has done since it began: rows, transactions, runs of actors."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from dramatiq import Broker, Middleware
from dramatiq.broker import MessageProxy
from prometheus_client.core import Metric

from admin.numbers import COUNTS, SECONDS, Histogram, counters, histograms
from base.clock import steady
from journal.streams import Kind
from workers.queues import JOURNAL_QUEUES

_rows: Counter[str] = Counter()
_outcomes: Counter[tuple[str, ...]] = Counter()
_failed: Counter[str] = Counter()
_runs: Counter[tuple[str, ...]] = Counter()
_drain_seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
_drain_events: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(COUNTS))
_actor_seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
_lock = threading.Lock()  # several threads drain; once a transaction


def ended(kind: Kind, outcomes: dict[str, int]) -> None:
    """What became of items in a transaction that is committed, by outcome; `stored` are rows."""
    queue = str(JOURNAL_QUEUES[kind])
    with _lock:
        _rows[queue] += outcomes.get("stored", 0)
        for outcome, count in outcomes.items():
            _outcomes[queue, outcome] += count


def drained(kind: Kind, events: int, seconds: float) -> None:
    """One transaction, from its begin to its acknowledgement."""
    queue = str(JOURNAL_QUEUES[kind])
    _drain_seconds[queue].observe(seconds)
    _drain_events[queue].observe(events)


def failed(kind: Kind) -> None:
    """A transaction that did not get through: its batches are tried again."""
    with _lock:
        _failed[str(JOURNAL_QUEUES[kind])] += 1


class CountRuns(Middleware):
    """Counts how runs of actors end, and how long they take."""

    def __init__(self) -> None:
        self._here = threading.local()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        self._here.began = steady()

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        _actor_seconds[message.actor_name].observe(steady() - self._here.began)
        with _lock:
            _runs[message.actor_name, "done" if exception is None else "failed"] += 1

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        with _lock:
            _runs[message.actor_name, "skipped"] += 1


def collect() -> Iterator[Metric]:
    """All of it."""
    of = ("queue",)
    yield counters("hopfleet_rows_stored_total", "Events that became rows.", of, _rows)
    yield counters(
        "hopfleet_events_ended_total",
        "Events taken from the journal, by what became of them.",
        ("queue", "outcome"), _outcomes,
    )  # fmt: skip
    yield counters(
        "hopfleet_drain_failures_total",
        "Transactions that did not get through and are tried again.",
        of, _failed,
    )  # fmt: skip
    yield histograms(
        "hopfleet_drain_seconds",
        "One transaction, from its begin until its batches have left the journal.",
        "queue", _drain_seconds,
    )  # fmt: skip
    yield histograms("hopfleet_drain_events", "Events in one transaction.", "queue", _drain_events)
    yield counters(
        "hopfleet_actor_runs_total", "Runs of actors, by how they ended.",
        ("actor", "ended"), _runs,
    )  # fmt: skip
    yield histograms("hopfleet_actor_seconds", "One run of an actor.", "actor", _actor_seconds)
