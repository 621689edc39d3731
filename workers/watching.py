"""What every process of the fleet tells: the queues, the stores, and its own sessions."""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from prometheus_client.core import Metric

from admin import filling
from admin.lookout import Lookout
from admin.numbers import counter, gauge, gauges
from admin.watch import Watch
from base.errors import HopfleetError
from base.settings import Settings, settings
from db import connection, product_syncs
from workers import depths
from workers.depths import Rows, Streams

DATABASE_WAIT_SECONDS = 1.0
SILENT_SECONDS = 10.0


def watch(role: str, chosen: Settings | None = None) -> Watch:
    """A process's watch with what all of them tell; the caller adds its own and opens it.

    The queues are read from the stores, so each process tells the same: take the largest, never
    the sum. What cannot be read is missing, not zero.
    """
    made = Watch(chosen or settings(), role)
    queues = _Queues()
    journal = filling.journal()
    for lookout in (queues.rows, queues.streams, journal.lookout):
        made.lookout(lookout)
    for collect in (queues.collect, journal.collect, _pool):
        made.numbers(collect)
    return made


class _Told(NamedTuple):
    """What one question to the database tells."""

    rows: Rows
    feed_age: float | None  # seconds; None where no feed was ever taken in


class _Queues:
    def __init__(self) -> None:
        away = (HopfleetError, psycopg.Error)
        self.rows: Lookout[_Told] = Lookout("rows", _rows, away)
        self.streams: Lookout[Streams] = Lookout("streams", depths.streams, away)

    def collect(self) -> Iterator[Metric]:
        rows, streams = self.rows.see(), self.streams.see()
        yield gauges(
            "hopfleet_store_up",
            "1 while the store answers this process's questions about the queues.",
            ("store",),
            {"database": float(rows is not None), "journal": float(streams is not None)},
        )
        if rows is not None and streams is not None:
            yield from _families(depths.together(rows.rows, streams))
        if rows is not None and rows.feed_age is not None:
            yield gauge(
                "hopfleet_products_feed_age_seconds",
                "Since the products were last equal to the marketplace's feed.",
                rows.feed_age,
            )


def _rows() -> _Told:
    with connection.transaction(
        wait_seconds=DATABASE_WAIT_SECONDS, limit_seconds=SILENT_SECONDS
    ) as tx:
        return _Told(depths.rows(tx), product_syncs.feed_age_seconds(tx))


def _families(found: list[depths.QueueDepth]) -> Iterator[Metric]:
    of = ("queue",)
    yield gauges(
        "hopfleet_work_depth",
        "Events and rows that wait or are worked on; every process tells the same.",
        of, {one.queue: one.depth for one in found},
    )  # fmt: skip
    yield gauges(
        "hopfleet_oldest_seconds",
        "For how long the first of them has been waiting.",
        of, {one.queue: one.oldest_seconds for one in found},
    )  # fmt: skip
    yield gauges(
        "hopfleet_in_flight",
        "Those of them that somebody works on.",
        of, {one.queue: one.in_flight for one in found},
    )  # fmt: skip
    yield gauges(
        "hopfleet_retrying",
        "Rows among them that were tried before.",
        of, {one.queue: one.retrying for one in found},
    )  # fmt: skip
    yield gauges(
        "hopfleet_dead",
        "Dead letters: what will never be stored by itself, by reason.",
        ("queue", "reason"),
        {(one.queue, reason): count for one in found for reason, count in one.dead.items()},
    )


def _pool() -> Iterator[Metric]:
    """This process's database sessions; nothing before the first is wanted."""
    if (found := connection.pool_use()) is None:
        return
    yield gauges(
        "hopfleet_pool_connections",
        "Database sessions of this process: open ones, those nobody uses, and how many may be.",
        ("state",),
        {"open": found.open, "idle": found.idle, "most": found.most},
    )
    yield gauge("hopfleet_pool_waiting", "Who waits for a session right now.", found.waiting)
    yield counter("hopfleet_pool_requests_total", "Sessions asked for.", found.requests)
    yield counter(
        "hopfleet_pool_refused_total", "Sessions that could not be had in time.", found.refused
    )
    yield counter(
        "hopfleet_pool_wait_seconds_total", "Time spent waiting for a session.", found.wait_seconds
    )
