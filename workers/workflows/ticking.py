"""Ticking: a scheduler's second, spent asleep until the next workflow or waiting run is due."""

from collections.abc import Callable

from base.clock import sleep, steady
from db import due, run_work
from db.connection import Tx, transaction
from workers import nudges
from workers.queues import Queue
from workers.workflows.firing import BATCH

SECONDS = 0.9  # then the clock strikes again
_SHORTEST = 0.02
_HELD = 0.05
_PROMOTED = 5_000
_WAIT_SECONDS = 2.0
_LIMIT_SECONDS = 30.0


def tick_along(tick: Callable[[Tx], int]) -> None:
    """Fire what is due, and what becomes due within the second, at its own moment."""
    ends = steady() + SECONDS
    while True:
        with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_LIMIT_SECONDS) as tx:
            fired = tick(tx)
            woken = run_work.promote(tx, _PROMOTED)
            left = due.seconds_until_next(tx)
        if fired or woken:
            nudges.try_nudge(Queue.WORKFLOWS, "workflows.run")
        if fired == BATCH:
            continue
        # What is due and was not taken is held by somebody: no need to ask again at once.
        shortest = _SHORTEST if fired or left is None or left > 0 else _HELD
        pause = max(shortest, left if left is not None else SECONDS)
        if steady() + pause > ends:
            return
        sleep(pause)
