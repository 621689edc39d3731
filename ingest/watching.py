"""What a door shows of itself beside what every process does."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import Metric

from admin.filling import Gauge, spool
from admin.numbers import counter, counters, gauge, gauges, histogram, histograms
from admin.pulse import silent
from admin.watch import Watch
from base.clock import OffsetClock
from ingest.http import Server
from ingest.keeper import Keeper
from ingest.known import Known
from ingest.recorder import Recorder

MOST_SILENT_SECONDS = 5.0  # of the event loop
MOST_APPEND_SECONDS = 30.0  # a disk that takes longer for one fsync will not come back by itself


class Shown:
    """What the numbers are read from, on another thread: nothing here is changed."""

    def __init__(
        self,
        server: Server,
        recorder: Recorder,
        keeper: Keeper,
        caches: tuple[Known[Any], ...],
        clock: OffsetClock,
        outcomes: Counter[str],
    ) -> None:
        self._server = server
        self._recorder = recorder
        self._keeper = keeper
        self._caches = caches
        self._clock = clock
        self._outcomes = outcomes
        self._spool: Gauge = spool(recorder.spool_room)

    def add_to(self, watch: Watch) -> None:
        """Parts that must live, and the numbers."""
        watch.part("loop", lambda: silent(self._server.moved, MOST_SILENT_SECONDS))
        watch.part("recorder", lambda: self._recorder.stuck(MOST_APPEND_SECONDS))
        watch.part("keeper", self._keeper.dead)
        watch.lookout(self._spool.lookout)
        for collect in (self._answers, self._appends, self._known, self._standing):
            watch.numbers(collect)
        watch.numbers(self._spool.collect)

    def _answers(self) -> Iterator[Metric]:
        answered = {
            (door.decode() or "none", f"{chr(status)}xx"): count
            for (door, status), count in list(self._server.answered.items())
        }
        yield counters(
            "hopfleet_requests_total",
            "Answers given, by door and status; `none`: a request that found no door.",
            ("door", "status"), answered,
        )  # fmt: skip
        yield counters(
            "hopfleet_door_outcomes_total",
            "What the doors did with what came: events by type, and why others were none.",
            ("outcome",), self._outcomes,
        )  # fmt: skip
        connections = len(self._server.connections)
        yield gauge("hopfleet_connections", "Clients connected right now.", connections)
        yield gauge("hopfleet_connections_bound", "How many may be.", self._server.max_connections)
        yield gauge(
            "hopfleet_buffered_bytes", "Bodies in memory, not answered yet.", self._server.buffered
        )

    def _appends(self) -> Iterator[Metric]:
        of = self._recorder.pace
        yield counters(
            "hopfleet_events_acknowledged_total",
            "Events on disk, by where the door put them first.",
            ("store",), of.kept,
        )  # fmt: skip
        yield histograms(
            "hopfleet_ack_seconds",
            "From a request to its event on disk; every event counts as long as the first of its"
            " group commit has waited, so none waited longer.",
            "store", of.ack_seconds,
        )  # fmt: skip
        yield histograms(
            "hopfleet_append_seconds", "One append, fsync included.", "store", of.seconds
        )
        yield histogram("hopfleet_append_events", "Events in one append.", of.events)
        yield counters(
            "hopfleet_events_dropped_total",
            "Events that could not be kept; their senders were given no click id.",
            ("reason",), Counter(self._recorder.dropped),
        )  # fmt: skip
        yield gauge(
            "hopfleet_events_waiting", "Events in memory, not on disk yet.", self._recorder.waiting
        )

    def _known(self) -> Iterator[Metric]:
        of = ("noun",)
        caches = {cache.noun: cache for cache in self._caches}
        yield gauges(
            "hopfleet_known_entries", "Links and keys the door knows by heart.",
            of, {noun: len(cache.entries) for noun, cache in caches.items()},
        )  # fmt: skip
        yield gauges(
            "hopfleet_known_absent", "Addresses it knows to lead nowhere.",
            of, {noun: len(cache.absent) for noun, cache in caches.items()},
        )  # fmt: skip
        yield counters(
            "hopfleet_known_hits_total", "Lookups that were answered by heart.",
            of, {noun: cache.hits for noun, cache in caches.items()},
        )  # fmt: skip
        yield counters(
            "hopfleet_known_misses_total", "Lookups that had to ask the database.",
            of, {noun: cache.hits_missed for noun, cache in caches.items()},
        )  # fmt: skip

    def _standing(self) -> Iterator[Metric]:
        yield gauge(
            "hopfleet_journal_up", "1 while events go to the journal, 0: to the spool.",
            float(self._recorder.journal_up),
        )  # fmt: skip
        yield gauge(
            "hopfleet_database_up", "1 while new links can be looked up.",
            float(self._keeper.away is None),
        )  # fmt: skip
        if self._clock.measured:
            yield gauge(
                "hopfleet_clock_offset_seconds",
                "How far the journal's clock is ahead of this host's.",
                self._clock.ahead_of_host_seconds(),
            )
        yield counter(
            "hopfleet_spool_replayed_events_total",
            "Events that went from spools to the journal.", self._recorder.replayed,
        )  # fmt: skip
