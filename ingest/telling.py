"""Says in the database what this host's doors took in, their dead ones included."""

from pathlib import Path

import psycopg

from base.clock import steady
from base.errors import StoreAway
from base.logs import log
from db import audit
from db.connection import transaction
from ingest.tally import Tally, leftovers
from journal.place import place
from journal.spool import oldest_batch_at, waiting_bytes

EVERY_SECONDS = 2.0
ADOPT_EVERY = 5  # rounds
WAIT_SECONDS = 2.0
LIMIT_SECONDS = 5.0  # the keeper's thread has links to look up


class Teller:
    """Publishes on the keeper's thread; what could not be said is said the next time."""

    def __init__(self, tally: Tally, spool_root: Path) -> None:
        self._tally = tally
        self._spool_root = spool_root
        self._next = 0.0
        self._round = 0
        self._spooled: int | None = None
        self._failed = False

    def tell(self) -> None:
        """Say what has changed, unless that was said a moment ago.

        A database that takes no counts, as one whose disk is full, still knows the links: it is
        not away, so this is told here and raises nothing.
        """
        if steady() < self._next:
            return
        self._next = steady() + EVERY_SECONDS
        try:
            self._tell()
        except (StoreAway, psycopg.Error) as error:
            if not self._failed:
                reason = str(error) or type(error).__name__
                log().warning("tally.untold", reason=reason.splitlines()[0])
            self._failed = True
        else:
            self._failed = False

    def _tell(self) -> None:
        self.tell_now()
        if self._round % ADOPT_EVERY == 0:
            adopt(self._tally.path.parent)
            self._tell_spool()
        self._round += 1

    def tell_now(self) -> None:
        """Say this process's own counts; raises `StoreAway` and psycopg's errors."""
        counts = self._tally.changed()
        if not counts:
            return
        try:
            with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
                audit.publish(tx, self._tally.name, counts)
        except BaseException:
            self._tally.unpublished(counts)
            raise
        self._tally.published()

    def _tell_spool(self) -> None:
        size = waiting_bytes(self._spool_root)
        if size or self._spooled != 0:
            oldest = oldest_batch_at(self._spool_root) if size else None
            # Only what has waited here has to be found again: an empty folder gets no file.
            name = place(self._spool_root, make=bool(size))
            with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
                audit.publish_spool(tx, name, size, oldest)
            self._spooled = size


def adopt(folder: Path) -> int:
    """Say what dead doors left in `folder`; returns how many there were."""
    found = 0
    for left in leftovers(folder):
        try:
            with transaction(wait_seconds=WAIT_SECONDS, limit_seconds=LIMIT_SECONDS) as tx:
                audit.publish(tx, left.name, left.counts)
            left.forget()
        finally:
            left.close()
        found += 1
    return found
