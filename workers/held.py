"""Held events: what waited for its owner's lock, or was replayed by a person, gets its turn."""

from collections.abc import Callable
from typing import Any

import orjson
import psycopg

from base.errors import Transient
from base.logs import log
from db import audit, held, work
from db.connection import Tx, transaction
from db.held import HeldEvent
from journal.streams import Kind
from schemas.items import unpack
from workers import controls, tally
from workers.broker import actor
from workers.outcome import Found, Outcome
from workers.queues import JOURNAL_QUEUES, Queue
from workers.stopping import stopping
from workers.store import write

CLAIM = 500
LEASE_SECONDS = 30
SILENT_SECONDS = 10.0
MOST_DELAY_SECONDS = 60.0
CLICK_DELAY_SECONDS = 5.0  # people look for the sale they were just told of


@actor("held.release", queue=Queue.CLICKS, time_limit_seconds=60)
def release() -> None:
    """Try each due item of the clicks' once."""
    _release(Kind.CLICKS)


@actor("held.release_conversions", queue=Queue.CONVERSIONS, time_limit_seconds=60)
def release_conversions() -> None:
    """Try each due item of the conversions' once."""
    _release(Kind.CONVERSIONS)


@actor("held.release_webhooks", queue=Queue.WEBHOOKS, time_limit_seconds=60)
def release_webhooks() -> None:
    """Try each due item of the webhooks' once."""
    _release(Kind.WEBHOOKS)


def _release(kind: Kind) -> None:
    """One transaction an item, since each may be the odd one."""
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        work.reclaim(tx, HeldEvent)
        rows = work.claim(tx, HeldEvent, CLAIM, LEASE_SECONDS, kind)
    for at, row in enumerate(rows):
        if stopping() or not controls.may_claim(JOURNAL_QUEUES[kind]):
            _give_back(rows[at:])
            return
        try:
            with transaction(limit_seconds=SILENT_SECONDS) as tx:
                ended = _try(tx, row)
            if ended is not None:
                tally.ended(ended.kind, {"stored": ended.stored})
        except (Transient, psycopg.OperationalError) as error:
            log().warning("held.postponed", id=row["id"], reason=str(error))


def _give_back(rows: list[dict[str, Any]]) -> None:
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        work.give_back(tx, HeldEvent, [(row["id"], row["attempts"]) for row in rows])


def _try(tx: Tx, row: dict[str, Any]) -> Outcome | None:
    """Write one item; what came of it, None when it could not even be read."""
    if row["format"] > held.FORMAT:
        _end(tx, row, work.retry, MOST_DELAY_SECONDS, "a format of another release")
        return None
    outcome = Outcome(Kind(row["kind"]))
    try:
        found = _found(row)
    except ValueError as error:
        _end(tx, row, work.bury, "unreadable", str(error)[:500])
        return None
    write(tx, found, outcome)
    audit.record(tx, outcome.ended())
    if row["position"] == held.WHOLE_BATCH:
        held.hold(tx, outcome.held)  # each of its items stands for itself now
        _end(tx, row, work.finish, "stored")
    elif not outcome.held:
        word = "stored" if outcome.stored else "duplicate" if outcome.duplicates else "owner_gone"
        _end(tx, row, work.finish, word)
    elif outcome.held[0].state == "dead":
        _end(tx, row, work.bury, outcome.held[0].reason, outcome.held[0].error)
    else:
        reason = outcome.held[0].reason
        most = CLICK_DELAY_SECONDS if reason == "click_pending" else MOST_DELAY_SECONDS
        _end(tx, row, work.retry, min(2.0 ** min(row["attempts"], 10), most), reason)
    return outcome


def _end(tx: Tx, row: dict[str, Any], how: Callable[..., bool], *words: Any) -> None:
    if not how(tx, HeldEvent, row["id"], row["attempts"], *words):
        # Somebody else has the row now, and will write it: undo what we wrote.
        raise Transient("The lease was lost.")


def _found(row: dict[str, Any]) -> list[Found]:
    batch = row["batch_id"].hex
    if row["position"] == held.WHOLE_BATCH:
        return [Found(batch, place, item) for place, item in enumerate(unpack(row["item"]))]
    return [Found(batch, row["position"], orjson.loads(row["item"]))]
