"""What the doors know by heart: rows looked up by key, found or not, until a change is told.

Bounded twice: found and not-found entries have room of their own, so that a flood of unknown
ids cannot push out the links that visitors use.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from base.errors import StoreAway
from ingest.copy import Copy


class Owned(Protocol):
    """What every entry says: whose it is."""

    @property
    def user_id(self) -> str:
        """The owner's UUID."""
        ...


T = TypeVar("T", bound=Owned)

ANSWER_SECONDS = 0.6  # for PostgreSQL, before the copy on disk is asked instead
MOST_WANTED = 20_000
ABSENT_SHARE = 4  # a quarter of the room for what does not exist

Row = dict[str, Any]


class Known(Generic[T]):
    """One noun's cache; all methods on the loop's thread."""

    def __init__(
        self, noun: str, room: int, compile_row: Callable[[Row], T], copy: Copy,
        ask: Callable[[], None],
    ) -> None:  # fmt: skip
        self.noun = noun
        self.entries: dict[str, T] = {}
        self.absent: dict[str, None] = {}
        self.hits_missed = 0
        self._room = room
        self._compile = compile_row
        self._copy = copy
        self._ask = ask
        self._from_copy: set[str] = set()
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self.away = False

    # --- the doors' side

    async def fetch(self, keys: Iterable[str]) -> dict[str, T | None]:
        """The rows of `keys`, None where there is none; raises `StoreAway` when unknown."""
        found: dict[str, T | None] = {}
        missing = []
        for key in keys:
            if key in self.entries:
                found[key] = self.entries[key]
            elif key in self.absent:
                found[key] = None
            else:
                missing.append(key)
        if missing:
            self.hits_missed += len(missing)
            for key, future in [(key, self._want(key)) for key in missing]:
                if future is not None:
                    await asyncio.wait([future], timeout=ANSWER_SECONDS)
                found[key] = self._settled(key)
        return found

    def _want(self, key: str) -> asyncio.Future[None] | None:
        if self.away:
            return None
        future = self._wanted.get(key)
        if future is None:
            if len(self._wanted) >= MOST_WANTED:
                raise StoreAway("Too many unknown addresses are being looked up.")
            future = self._wanted[key] = asyncio.get_running_loop().create_future()
            self._ask()
        return future

    def _settled(self, key: str) -> T | None:
        if key in self.entries:
            return self.entries[key]
        if key in self.absent:
            return None
        if row := self._copy.read(self.noun, key):
            self._keep(key, self._compile(row))
            self._from_copy.add(key)
            return self.entries[key]
        raise StoreAway("This address cannot be looked up while the database is away.")

    # --- the keeper's side

    def wanted(self, most: int) -> list[str]:
        """Keys that requests wait for."""
        return [key for key, future in list(self._wanted.items())[:most] if not future.done()]

    def put(self, rows: dict[str, Row | None]) -> None:
        """Rows as the database has them now; requests that wait for them go on."""
        for key, row in rows.items():
            self._from_copy.discard(key)
            if row is None:
                self.entries.pop(key, None)
                self.absent[key] = None
                _shrink(self.absent, self._room // ABSENT_SHARE)
            else:
                self.absent.pop(key, None)
                self._keep(key, self._compile(row))
            self._release(key)

    def _keep(self, key: str, entry: T) -> None:
        self.entries[key] = entry
        _shrink(self.entries, self._room)

    def _release(self, key: str) -> None:
        future = self._wanted.pop(key, None)
        if future is not None and not future.done():
            future.set_result(None)

    def holds(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that somebody may be shown an old answer for."""
        for key in keys:
            self.absent.pop(key, None)
        return [key for key in keys if key in self.entries]

    def of_users(self, users: set[str]) -> list[str]:
        """Keys of all entries that belong to one of `users`."""
        return [key for key, entry in self.entries.items() if entry.user_id in users]

    def set_away(self, away: bool) -> None:
        """The database went away, or came back: what the copy gave is doubted then."""
        self.away = away
        if away:
            for key in list(self._wanted):
                self._release(key)
        else:
            for key in self._from_copy:
                self.entries.pop(key, None)
            self._from_copy.clear()

    def forget_all(self) -> None:
        """Start over; the copy on disk stays."""
        self.entries.clear()
        self.absent.clear()
        self._from_copy.clear()


def _shrink(entries: dict[str, Any], room: int) -> None:
    while len(entries) > room:
        del entries[next(iter(entries))]
