"""The thread that keeps what the doors know equal to the tables: looks up, and polls changes."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg

from base.clock import steady
from base.errors import StoreAway
from base.logs import log
from db import integrations as db_integrations
from db import keys as db_keys
from db import links as db_links
from db.connection import Tx, transaction
from ingest.copy import Copy
from ingest.known import Known, Row

POLL_SECONDS = 0.5  # a change acts within two seconds
ROUND_SECONDS = 0.02  # between two rounds: a flood of unknown ids costs 50 queries a second
KEYS_A_ROUND = 500
SILENT_SECONDS = 3.0
TOUCH_SECONDS = 10.0
CONNECT_SECONDS = 2.0
ROUND_LIMIT_SECONDS = 10.0  # beyond, the session is dead, whatever its socket says

PAGE_KEYS = 2_000  # of all there are, a round: few milliseconds of it hold up the doors

Find = Callable[[Tx, list[str]], dict[str, Row | None]]
List = Callable[[Tx, str, int], list[str]]


def _nothing() -> None:
    pass


def find_links(tx: Tx, tracking_ids: list[str]) -> dict[str, Row | None]:
    """The link rows of these tracking ids, None where there is none."""
    found = {row.tracking_id: row._asdict() for row in db_links.find(tx, tracking_ids)}
    return {key: found.get(key) for key in tracking_ids}


def find_keys(tx: Tx, digests: list[str]) -> dict[str, Row | None]:
    """The API keys with these SHA-256 digests (hex), None where there is none."""
    rows = db_keys.find(tx, [bytes.fromhex(digest) for digest in digests])
    found = {row.digest: row._asdict() for row in rows}
    return {key: found.get(key) for key in digests}


def find_integrations(tx: Tx, digests: list[str]) -> dict[str, Row | None]:
    """The integrations whose keys have these SHA-256 digests (hex), None where there is none."""
    rows = db_integrations.find(tx, [bytes.fromhex(digest) for digest in digests])
    found = {row.digest: row._asdict() for row in rows}
    return {key: found.get(key) for key in digests}


class Keeper:
    """Owns the thread; the caches themselves are touched on the loop's thread only."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._caches: dict[str, tuple[Known[Any], Find]] = {}
        self._lists: dict[str, List] = {}
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._cursor: db_links.Cursor | None = None
        self._polled = 0.0
        self._rounded = steady()
        self._told: bool | None = None
        self._trouble: str | None = "the database has not been asked yet"
        self._tell: Callable[[], None] = _nothing
        self._tell_last: Callable[[], None] = _nothing
        self.ready = asyncio.Event()
        self.used: set[str] = set()  # digests of keys that were used; filled by the doors
        self._touched = steady()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    @property
    def away(self) -> str | None:
        """Why the database is missing; a round that does not end is a reason, too."""
        if self._trouble is None and steady() - self._rounded > SILENT_SECONDS:
            return "it does not answer"
        return self._trouble

    def dead(self) -> str | None:
        """Why this door will never learn anything more; None while it may."""
        return None if self._thread.is_alive() else "its thread has ended"

    def add(self, noun: str, cache: Known[Any], find: Find, list_all: List | None = None) -> None:
        """Keep this cache, too; before `start`. With `list_all`, know which keys there are."""
        self._caches[noun] = (cache, find)
        if list_all is not None:
            self._lists[noun] = list_all

    def tell(self, step: Callable[[], None], last: Callable[[], None]) -> None:
        """Have `step` called after each round, and `last` at the end; before `start`."""
        self._tell, self._tell_last = step, last

    def start(self) -> None:
        """Begin; `ready` is set after the first round, whether it reached PostgreSQL or not."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; does not wait for a database that hangs."""
        self._stop.set()
        self._wake.set()
        self._thread.join(1)

    def ask(self) -> None:
        """Somebody waits for a key."""
        self._wake.set()

    def _on_loop(self, act: Callable[[], Any]) -> Any:
        result: Future[Any] = Future()

        def run() -> None:
            try:
                result.set_result(act())
            except Exception as error:
                result.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return result.result(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._round()
                self._say(None)
                self._tell()
            except (StoreAway, psycopg.Error) as error:
                self._say(str(error) or type(error).__name__)
                self._stop.wait(POLL_SECONDS)
            except Exception:
                if self._loop.is_closed():
                    return
                # A door that no longer learns would be worse than one that tries again.
                log().exception("keeper.failed")
                self._stop.wait(POLL_SECONDS)
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            self._stop.wait(ROUND_SECONDS)
        with suppress(StoreAway, psycopg.Error):
            self._tell_last()

    def _say(self, trouble: str | None) -> None:
        away = trouble is not None
        if away != self._told:
            if away:
                log().warning("database.away", reason=trouble)
            else:
                log().info("database.up")
            for cache, _ in self._caches.values():
                self._loop.call_soon_threadsafe(cache.set_away, away)
            self._told = away
        self._trouble = trouble
        self._rounded = steady()
        self._loop.call_soon_threadsafe(self.ready.set)

    def _round(self) -> None:
        with transaction(wait_seconds=CONNECT_SECONDS, limit_seconds=ROUND_LIMIT_SECONDS) as tx:
            if steady() - self._polled >= POLL_SECONDS or self._trouble is not None:
                self._poll(tx)
                self._polled = steady()
            if self.used and steady() - self._touched >= TOUCH_SECONDS:
                used, self.used, self._touched = self.used, set(), steady()
                db_keys.touch(tx, [bytes.fromhex(digest) for digest in list(used)])
            for cache, find in self._caches.values():
                if keys := self._on_loop(partial(cache.wanted, KEYS_A_ROUND)):
                    self._refresh(tx, cache, find, keys)
                    self._wake.set()  # there may be more, or more by now
            self._list(tx)

    def _list(self, tx: Tx) -> None:
        """Read on in what there is; after the first poll, so that nothing falls in between."""
        for noun, list_all in self._lists.items():
            existing = self._caches[noun][0].existing
            if not existing.complete:
                existing.read(list_all(tx, existing.after, PAGE_KEYS), PAGE_KEYS)
                self._wake.set()

    def _refresh(self, tx: Tx, cache: Known[Any], find: Find, keys: list[str]) -> None:
        rows = _found(tx, find, keys)
        known = {key: row for key, row in rows.items() if row}
        cache.existing.add(key for key in known if key not in cache.existing)
        gone = self._copy.keys(cache.noun, [key for key in keys if key not in known])
        if known or gone:
            self._copy.write(cache.noun, {**known, **dict.fromkeys(gone)})
        self._on_loop(lambda: cache.put(rows))

    def _poll(self, tx: Tx) -> None:
        try:
            changes, cursor = db_links.changes(tx, self._cursor)
        except db_links.CursorLost:
            # Restored, or away for longer than changes are kept: what we know may be anything.
            log().warning("links.forgotten")
            _, cursor = db_links.changes(tx, None)
            changes = [("all", "")]
        self._follow(tx, changes)
        self._cursor = cursor  # only now: what could not be followed is told again

    def _follow(self, tx: Tx, changes: list[tuple[str, str]]) -> None:
        if any(noun == "all" for noun, _ in changes):
            for cache, _ in self._caches.values():
                cache.existing.restart()
                self._on_loop(cache.forget_all)
            return
        for noun, (cache, find) in self._caches.items():
            keys = {key for of, key in changes if of == noun}
            cache.existing.add(keys)
            users = {key for of, key in changes if of == "user"}
            held = set(self._on_loop(partial(cache.holds, keys)))
            held.update(self._copy.keys(cache.noun, sorted(keys)))
            if users:
                held.update(self._on_loop(partial(cache.of_users, users)))
            for batch in _chunks(sorted(held), KEYS_A_ROUND):
                self._refresh(tx, cache, find, batch)


def _found(tx: Tx, find: Find, keys: list[str]) -> dict[str, Row | None]:
    """The rows of `keys`; a key that PostgreSQL cannot even read is nobody's."""
    try:
        with tx.transaction():
            return find(tx, keys)
    except psycopg.DataError:
        if len(keys) == 1:
            return {keys[0]: None}
        half = len(keys) // 2
        return _found(tx, find, keys[:half]) | _found(tx, find, keys[half:])


def _chunks(keys: list[str], size: int) -> list[list[str]]:
    return [keys[at : at + size] for at in range(0, len(keys), size)]
