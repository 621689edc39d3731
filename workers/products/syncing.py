"""A sync of the catalogue, whoever runs it: the worker's actor or a command."""

import socket
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg

from base.clock import steady
from base.errors import Misused, Permanent, Transient
from db import product_syncs, work
from db.connection import Tx, transaction
from db.product_syncs import API, FEED, SEARCH, ProductSync, Row
from workers.products import enriching, feed, searching
from workers.products.feed import Progress, Refused, Said
from workers.products.keeping import LEASE_SECONDS, Keeping, LeaseLost, Stopped

__all__ = ["Busy", "Progress", "Report", "ask", "begin", "carry_out", "run", "take"]

_LIMIT_SECONDS = 10.0
_JUST_BEGUN = "Another sync of products has just begun; try again when it is done."
COMMAND = "command"
_COUNTED = ("seen", "inserted", "updated", "unchanged", "missing", "listings")
_DELAYS_SECONDS = (60.0, 300.0, 1800.0, 7200.0, 7200.0, 7200.0)


class Busy(Transient):
    """Another sync runs: one at a time changes the catalogue."""


class Report(NamedTuple):
    """What a sync came to; `refused` is the sentence that says why nothing was changed.

    `left` are questions to an API that its limits leave for the next run, `skipped` listings of a
    feed without an id that could be one.
    """

    sync_id: int
    seen: int
    inserted: int
    updated: int
    unchanged: int
    missing: int
    listings: int
    refused: str | None
    seconds: float
    left: int = 0
    skipped: int = 0


def ask(tx: Tx, source: str, address: str | None, *, is_forced: bool, asked_by: str) -> int:
    """Ask for a sync; the worker of queue `products` takes it, or `run` does at once.

    Raises `Misused` for a URL with a name or password in it, for rows are shown to people.
    """
    if address and "://" in address and "@" in urlsplit(address).netloc:
        raise Misused("A feed's URL holds no name and password: rows that name it are shown.")
    return product_syncs.ask(tx, source, address, is_forced=is_forced, asked_by=asked_by)


def begin(source: str, address: str | None, *, is_forced: bool) -> Row:
    """Ask for a sync and take it at once, before any worker does; raises `Busy` and `Misused`."""
    try:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            if other := product_syncs.running(tx):
                raise Busy(_busy(other))
            asked = ask(tx, source, address, is_forced=is_forced, asked_by=COMMAND)
            row = product_syncs.take(tx, asked, socket.gethostname(), LEASE_SECONDS)
            product_syncs.end_sessions(tx)
    except psycopg.errors.UniqueViolation:  # both saw none running
        raise Busy(_JUST_BEGUN) from None
    assert row is not None
    return row


def take(sync_id: int | None = None) -> Row | None:
    """Begin a sync, or the longest waiting; None when there is none. Raises `Busy`."""
    try:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            if other := product_syncs.running(tx):
                raise Busy(_busy(other))
            row = product_syncs.take(tx, sync_id, socket.gethostname(), LEASE_SECONDS)
            if row is not None:
                product_syncs.end_sessions(tx)
            return row
    except psycopg.errors.UniqueViolation:  # both saw none running
        raise Busy(_JUST_BEGUN) from None


def run(sync_id: int, said: Said = lambda progress: None) -> Report:
    """Run a sync in this process; raises `Busy`, `Stopped`, and what kept it from its end.

    A sync that stopped or failed goes on where it was, by the worker or by being run again.
    """
    row = take(sync_id)
    if row is None:
        raise Busy("This sync has been taken by a worker; see `hopfleet products syncs`.")
    return carry_out(row, said)


def carry_out(row: Row, said: Said) -> Report:
    """Work on a sync that was taken."""
    began = steady()
    with Keeping(row["id"], row["attempts"]) as keeping:
        try:
            _SOURCES[row["source"]](row, keeping, said)
        except Refused as error:
            _refuse(row, error)
        except Stopped:
            _give_back(row)
            raise
        except KeyboardInterrupt:
            _cancel(row)
            raise
        except LeaseLost:
            raise
        except (Transient, psycopg.OperationalError) as error:
            _again(row, error)
            raise
        except Permanent as error:
            _bury(row, "failed", str(error))
            raise
        except psycopg.Error as error:
            _bury(row, f"refused_{error.sqlstate}", error.diag.message_primary or "")
            raise
        feed.clear(row)
    return _report(row["id"], steady() - began)


_SOURCES = {FEED: feed.sync, API: enriching.sync, SEARCH: searching.sync}


def _busy(other: Row) -> str:
    share = f", {other['done_share']:.0%} of this stage" if other["done_share"] is not None else ""
    return (
        f"Sync {other['id']} has been running since {other['started_at']:%H:%M:%S} UTC (stage"
        f" {other['stage']}{share}); try again when it is done: `hopfleet products syncs`."
    )


def _report(sync_id: int, seconds: float) -> Report:
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        row = product_syncs.by_id(tx, sync_id)
    assert row is not None
    counted = {name: row[name] or 0 for name in _COUNTED}
    return Report(
        sync_id=sync_id, **counted, refused=row["refused"], seconds=seconds,
        left=row["unasked"] or 0, skipped=row["skipped"] or 0,
    )  # fmt: skip


def _refuse(row: Row, error: Refused) -> None:
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        mine = _end(tx, row, state="done", outcome="refused", reason=error.refusal.reason,
                    refused=error.refusal.sentence)  # fmt: skip
    if not mine:  # then what is staged is not ours to clear away, either
        raise LeaseLost("another process has taken the sync over")


def _cancel(row: Row) -> None:
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        mine = _end(tx, row, state="done", outcome="cancelled")
    if mine:
        feed.clear(row)


def _end(tx: Tx, row: Row, **columns: object) -> bool:
    """Over, without anything applied; False when the lease was lost."""
    return product_syncs.note(
        tx, row["id"], row["attempts"], lease_until=None, done_share=None,
        finished_at=product_syncs.now(tx), **columns,
    )  # fmt: skip


def _give_back(row: Row) -> None:
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        work.give_back(tx, ProductSync, [(row["id"], row["attempts"])])


def _again(row: Row, error: Exception) -> None:
    """A scheduled sync tries again later; what a person asked for is theirs to repeat."""
    told = str(error) if isinstance(error, Transient) else type(error).__name__
    tries = row["attempts"]
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        if row["asked_by"] == COMMAND or tries > len(_DELAYS_SECONDS):
            _end(tx, row, state="dead", reason="away", last_error=told)
        else:
            work.retry(tx, ProductSync, row["id"], tries, _DELAYS_SECONDS[tries - 1], told)


def _bury(row: Row, reason: str, told: str) -> None:
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        _end(tx, row, state="dead", reason=reason, last_error=told)
