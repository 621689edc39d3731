"""The marketplace's feed: fetched, staged, merged, and applied in one transaction."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson
import psycopg

from base.clock import now
from base.logs import log
from base.settings import settings
from db import product_syncs, product_words
from db.connection import Tx, transaction
from db.product_stage import Counts, Stage
from db.product_syncs import FEED, Row
from integrations import feeds
from integrations.feeds import Feed, FeedRefused
from rules import feed_refusals
from rules.feed_refusals import Refusal
from workers.products.keeping import Keeping, LeaseLost
from workers.products.staging import stage

_MERGED_AT_ONCE = 250_000  # listings: about two seconds
CHUNK = 5_000  # changed rows of one statement, so that progress is told and doors have room
_LIMIT_SECONDS = 12 * 3600.0
_SHORT_SECONDS = 600.0
_READ_BYTES = 1024 * 1024
_FETCHED = re.compile(r"[0-9a-f]{16}\.(?:zip|gz|xml)")  # as `feeds.fetch` names them


class Progress(NamedTuple):
    """How far a sync is; `total` is None when nobody knows. Bytes, or rows in stage `apply`."""

    stage: str
    done: int
    total: int | None


Said = Callable[[Progress], object]


class Refused(Exception):
    """The feed is not taken, and nothing was changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


class Found(NamedTuple):
    """A feed on this host's disk."""

    path: Path
    dated_iso: str | None
    name: str
    digest: str


def sync(row: Row, keeping: Keeping, said: Said) -> None:
    """Bring the catalogue to what the feed tells; raises `Refused`, `Transient`, `LeaseLost`."""
    try:
        path = _fetched(row, keeping, said)
        staged = Stage(row["id"])
        last = _last()
        digest = _digest(path, keeping)
        with feeds.opened(path) as feed:
            # One from the future would make all that follow older than the last.
            dated, name = min(feed.dated, now()), feed.name
        keeping.note(digest=digest, feed_at=dated)
        if not row["is_forced"]:
            _unless(feed_refusals.by_date(dated, last["feed_at"] if last else None))
        listings = _stage(row, path, digest, staged, keeping, said)
        seen = _merge(staged, listings, keeping, said)
        refusal = feed_refusals.by_size(seen, last["seen"] if last else None)
        if refusal and not (row["is_forced"] and seen):
            raise Refused(refusal)
    except FeedRefused as error:
        then = " Nothing was changed; fetch it again." if error.reason == "damaged" else ""
        raise Refused(Refusal(error.reason, f"{error}{then}")) from None
    about = {"name": name, "date": dated.isoformat().replace("+00:00", "Z") if dated else None}
    is_new = last is None or last["digest"] != digest
    _apply(row, staged, keeping, said, orjson.dumps(about).decode(), seen, is_new)


def clear(row: Row) -> None:
    """Remove what an ended sync has left: staging tables, and the file if it was fetched."""
    with transaction(limit_seconds=_SHORT_SECONDS) as tx:
        Stage(row["id"]).drop(tx)
    with transaction(limit_seconds=_SHORT_SECONDS) as tx:
        ended = product_syncs.by_id(tx, row["id"])
    if ended is not None and ended["file"] and ended["file"] != ended["address"]:
        Path(ended["file"]).unlink(missing_ok=True)


def _unless(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise Refused(refusal)


def _last() -> Row | None:
    with transaction(limit_seconds=_SHORT_SECONDS) as tx:
        return product_syncs.last_applied(tx, FEED)


def _fetched(row: Row, keeping: Keeping, said: Said) -> Path:
    """The feed on this host: a file that was named, or what the URL answered."""
    address = row["address"]
    if "://" not in address:
        path = Path(address)
        if not path.is_file():
            raise FeedRefused("gone", f"There is no file {address} on this host.")
        keeping.note(file=address, bytes=path.stat().st_size)
        return path
    if row["file"] and Path(row["file"]).is_file():
        return Path(row["file"])
    last = _last()
    known = last if last and last["address"] == address and not row["is_forced"] else None
    folder = settings().data_dir / "feeds"
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)

    def heard(done: int, total: int | None) -> None:
        keeping.share = done / total if total else None
        said(Progress("fetch", done, total))
        keeping.rest()

    got = feeds.fetch(
        address, folder, etag=known["etag"] if known else None,
        last_modified=known["last_modified"] if known else None, said=heard,
    )  # fmt: skip
    if got is None:
        raise Refused(feed_refusals.UNCHANGED)
    keeping.note(stage="fetched", file=str(got.path), bytes=got.bytes, etag=got.etag,
                 last_modified=got.last_modified)  # fmt: skip
    return got.path


def _sweep(folder: Path) -> None:
    """Delete what syncs have fetched here that nobody goes on with: no other one fetches now."""
    with transaction(limit_seconds=_SHORT_SECONDS) as tx:
        kept = {Path(name).name for name in product_syncs.files(tx)}
    for one in folder.iterdir():
        if _FETCHED.fullmatch(one.name) and one.name not in kept:
            one.unlink(missing_ok=True)


def _digest(path: Path, keeping: Keeping) -> str:
    made = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            made.update(part)
            keeping.rest()
    return made.hexdigest()


def _stage(row: Row, path: Path, digest: str, into: Stage, keeping: Keeping, said: Said) -> int:
    """Stage the file, unless just that was done before and is still there."""
    if row["stage"] == "staged" and row["listings"] and row["digest"] == digest:
        with transaction(limit_seconds=_SHORT_SECONDS) as tx:
            if into.listings(tx) == row["listings"]:
                return int(row["listings"])

    def read(feed: Feed) -> None:
        keeping.share = feed.at / feed.size if feed.size else None
        said(Progress("read", feed.at, feed.size))
        keeping.rest()

    listings, skipped = stage(path, into, read)
    keeping.note(stage="staged", listings=listings, skipped=skipped)
    return listings


def _merge(staged: Stage, listings: int, keeping: Keeping, said: Said) -> int:
    parts = listings // _MERGED_AT_ONCE + 1

    def rest(part: int) -> None:
        keeping.share = part / parts
        said(Progress("merge", listings * part // parts, listings))
        keeping.rest()

    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        return staged.merge(tx, parts, rest)


def _apply(
    row: Row, staged: Stage, keeping: Keeping, said: Said, feed: str, seen: int, is_new: bool
) -> Counts:
    """All or nothing: the catalogue, states, history, absences and the sync's own end."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        changes = staged.changes(tx)
        inserted = updated = 0
        for after in range(0, changes, CHUNK):
            said(Progress("apply", after, changes))
            keeping.share = after / changes
            keeping.rest()
            new, changed = staged.apply(tx, after, after + CHUNK, feed)
            inserted, updated = inserted + new, updated + changed
        missing = staged.missing(tx)
        if is_new:
            staged.count_absences(
                tx, row["id"], product_syncs.finished_before(tx, row["id"]),
                feed_refusals.VANISHED_AFTER,
            )  # fmt: skip
        counts = Counts(inserted, updated, seen - inserted - updated, missing)
        _end(tx, keeping, seen, counts)
    said(Progress("apply", changes, changes))
    try:
        _afterwards(staged, changes, seen)
    except psycopg.Error as error:
        # The feed is in. Each day's chore and autovacuum do the same; and who begins the next
        # sync ends our sessions.
        log().warning("products.afterwards", id=row["id"], error=type(error).__name__)
    return counts


def _afterwards(staged: Stage, changes: int, seen: int) -> None:
    """What searches are the better for."""
    if changes:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            product_words.refresh(tx)
    if changes > seen / 10:
        with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
            staged.analyze(tx)


def _end(tx: Tx, keeping: Keeping, seen: int, counts: Counts) -> None:
    noted = product_syncs.note(
        tx, keeping.sync_id, keeping.attempts, seen=seen, stage="applied", state="done",
        outcome="applied", lease_until=None, done_share=None,
        finished_at=product_syncs.now(tx), **counts._asdict(),
    )  # fmt: skip
    if not noted:
        raise LeaseLost("another process has taken the sync over")
