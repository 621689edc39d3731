"""Chores: what recurs, and how an outage of what it needs is told."""

from collections.abc import Callable, Iterable
from datetime import time
from functools import partial
from typing import NamedTuple

import psycopg
import redis
from dramatiq.errors import BrokerConnectionError

from admin.chores import Chores
from base.clock import steady
from base.errors import HopfleetError
from base.logs import log
from db import chores as days
from db.connection import transaction

_WAIT_SECONDS = 2.0
_STEP_SECONDS = 600.0  # a step only begins what takes longer
_AGAIN_SECONDS = 60.0

OUTAGES = (HopfleetError, psycopg.Error, redis.RedisError, BrokerConnectionError, OSError)


class Chore(NamedTuple):
    """What runs when: every so many seconds, or once a day at that time in UTC.

    Each is safe to run twice, late, or on several hosts at once. One with a time of day is done
    by one host, and late when nobody was there at its time: once, however many days were missed.
    """

    name: str
    when: int | time
    step: Callable[[], object]


class Outages:
    """An outage is one warning when it begins and one line when it ends, not one a second."""

    def __init__(self, chores: Chores) -> None:
        self._away: set[str] = set()
        self._chores = chores

    def run(self, chore: Chore) -> str:
        """Do it once: `done`, `postponed` or `failed`; that is told, and nothing is raised."""
        self._chores.begins(chore.name)
        ended = self._run(chore)
        self._chores.ended(chore.name, ended)
        return ended

    def _run(self, chore: Chore) -> str:
        try:
            chore.step()
        except OUTAGES as e:
            if chore.name not in self._away:
                log().warning(
                    "chore.postponed", chore=chore.name, reason=str(e) or type(e).__name__
                )
            self._away.add(chore.name)
            return "postponed"
        except Exception:
            log().exception("chore.failed", chore=chore.name)
            return "failed"
        if chore.name in self._away:
            log().info("chore.resumed", chore=chore.name)
            self._away.discard(chore.name)
        return "done"


class Daily:
    """Chores with a time of day: looks which of them are due, and does them one after another."""

    def __init__(self, all_chores: Iterable[Chore], outages: Outages) -> None:
        self._chores = {chore.name: chore for chore in all_chores if isinstance(chore.when, time)}
        self._outages = outages
        self._not_before: dict[str, float] = {}

    def look(self) -> None:
        """Do what is due and nobody else has; what went wrong is tried again in a while."""
        times = {
            name: at for name, chore in self._chores.items() if isinstance(at := chore.when, time)
        }
        with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_WAIT_SECONDS * 5) as tx:
            names = days.due(tx, times)
        for name in names:
            if steady() < self._not_before.get(name, 0.0):
                continue
            step = partial(_do, name, times[name], self._chores[name].step)
            if self._outages.run(Chore(name, times[name], step)) != "done":
                self._not_before[name] = steady() + _AGAIN_SECONDS


def _do(name: str, at: time, step: Callable[[], object]) -> None:
    """The row is ours while it is done: whoever dies in the middle leaves it to another."""
    with transaction(wait_seconds=_WAIT_SECONDS, limit_seconds=_STEP_SECONDS) as tx:
        if days.begin(tx, name, at):
            step()
            days.done(tx, name, at)
            log().info("chore.done", chore=name)
