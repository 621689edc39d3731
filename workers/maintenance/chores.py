"""Chores: what recurs, and how an outage of what it needs is told."""

from collections.abc import Callable
from typing import NamedTuple

import psycopg
import redis
from dramatiq.errors import BrokerConnectionError

from admin.chores import Chores
from base.errors import HopfleetError
from base.logs import log

OUTAGES = (HopfleetError, psycopg.Error, redis.RedisError, BrokerConnectionError, OSError)


class Chore(NamedTuple):
    """What runs how often; each is safe to run twice, late, or on several hosts at once."""

    name: str
    every_seconds: int
    step: Callable[[], object]


class Outages:
    """An outage is one warning when it begins and one line when it ends, not one a second."""

    def __init__(self, chores: Chores) -> None:
        self._away: set[str] = set()
        self._chores = chores

    def run(self, chore: Chore) -> None:
        """Do it once; whatever happens is told, and nothing is raised."""
        self._chores.begins(chore.name)
        self._chores.ended(chore.name, self._run(chore))

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
