"""A sync's lease, kept by a thread while the work goes on; whoever lost it stops."""

import threading
from types import TracebackType

import psycopg

from base.errors import HopfleetError, Transient
from base.logs import log
from db import product_syncs, work
from db.connection import transaction
from db.product_syncs import ProductSync
from workers import controls
from workers.products.pacing import Pace
from workers.queues import Queue
from workers.stopping import stopping

LEASE_SECONDS = 20.0
_RENEW_SECONDS = 5.0
_LIMIT_SECONDS = 10.0


class Stopped(Transient):
    """This process was told to stop; the sync goes on where it is, here or elsewhere."""


class LeaseLost(Transient):
    """Somebody else has the sync: this process slept, or could not reach the database."""


class Keeping:
    """The lease of one sync; `rest` between pieces of work, at most two seconds each."""

    def __init__(self, sync_id: int, attempts: int, *, is_paced: bool = True) -> None:
        self.sync_id, self.attempts = sync_id, attempts
        self.share: float | None = None  # how far the stage is
        self._pace = Pace() if is_paced else None
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> "Keeping":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def rest(self) -> None:
        """Leave room for the doors; raises `Stopped` and `LeaseLost`."""
        if self._lost:
            raise LeaseLost("another process has taken the sync over")
        if stopping() or not controls.may_claim(Queue.PRODUCTS):
            raise Stopped("the process was told to stop, or the queue was paused")
        if self._pace is not None:
            self._pace.rest()

    def note(self, **columns: object) -> None:
        """Write down what is known by now; raises `LeaseLost`."""
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            if not product_syncs.note(tx, self.sync_id, self.attempts, **columns):
                raise LeaseLost("another process has taken the sync over")

    def _keep(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            try:
                with transaction(wait_seconds=2, limit_seconds=_LIMIT_SECONDS) as tx:
                    mine = work.renew(tx, ProductSync, self.sync_id, self.attempts, LEASE_SECONDS)
                    product_syncs.note(tx, self.sync_id, self.attempts, done_share=self.share)
            except (HopfleetError, psycopg.Error) as error:
                log().warning("products.lease", id=self.sync_id, error=type(error).__name__)
            else:
                if not mine:
                    self._lost = True
                    return
