"""Sales that were told before their clicks were stored: whether waiting may help."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from base.clock import steady
from base.errors import StoreAway
from base.ids import time_of
from db import audit, server
from db.connection import Tx
from journal.claims import oldest_batch_at
from journal.streams import Kind
from workers.cases import Case

MOST = timedelta(minutes=15)
SLACK = timedelta(minutes=1)  # a door appends in milliseconds; a clock may be off by more
AHEAD = timedelta(minutes=10)  # beyond, no door has made it
_LOOK_SECONDS = 0.5

_looked = -1.0
_oldest: datetime | None = None
_unsure = False


def may_come(tx: Tx, cases: Iterable[Case]) -> set[int]:
    """The `id()` of those cases whose click may still be on its way.

    For a quarter of an hour after the sale arrived, if the click is of the last minute, or not
    older than what waits in the journal or in a spool.
    """
    now = server.facts(tx).now
    waiting = set()
    for case in cases:
        batch = case.found.batch
        if batch and now - time_of(batch) > MOST:
            continue
        moments = [moment for one in case.candidates if (moment := time_of(one)) < now + AHEAD]
        if moments and (max(moments) > now - SLACK or _may_hold(tx, max(moments))):
            waiting.add(id(case))
    return waiting


def _may_hold(tx: Tx, moment: datetime) -> bool:
    """Whether a click of that moment may lie in the journal, or on some host's disk."""
    global _looked, _oldest, _unsure
    if steady() - _looked > _LOOK_SECONDS:
        _looked, _unsure = steady(), False
        try:
            found = [oldest_batch_at(kind) for kind in (Kind.CLICKS, Kind.CLICKS_BULK)]
            spools = [one.oldest_at for one in audit.spools(tx)]
        except StoreAway:
            _unsure, found, spools = True, [], []
        _oldest = min((one for one in [*found, *spools] if one), default=None)
    return _unsure or (_oldest is not None and moment >= _oldest - SLACK)
