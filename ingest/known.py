"""What the doors know by heart: rows looked up by key, found or not, until a change is told.

Bounded twice: found and not-found entries have room of their own, so that a flood of unknown
ids cannot push out the links that visitors use.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from base.errors import StoreAway
from base.logs import log
from ingest.copy import Copy
from ingest.existing import Existing


class Owned(Protocol):
    """What every entry says: whose it is."""

    @property
    def user_id(self) -> str:
        """The owner's UUID."""
        ...


T = TypeVar("T", bound=Owned)

ANSWER_SECONDS = 0.6  # for PostgreSQL, before the copy on disk is asked instead
MOST_WANTED = 20_000
# While so many keys are being looked up already, only one that may exist joins them: at 50
# rounds a second, a thousand made-up keys.
CROWD = 20
ABSENT_SHARE = 4  # a quarter of the room for what does not exist

Row = dict[str, Any]
Told = tuple[T | None] | None  # what the database said; None: it could not be asked


class Known(Generic[T]):
    """One noun's cache; all methods on the loop's thread."""

    def __init__(
        self, noun: str, room: int, compile_row: Callable[[Row], T], copy: Copy,
        ask: Callable[[], None],
    ) -> None:  # fmt: skip
        self.noun = noun
        # Ordered ones forget their first entry at once; a plain dict walks over all it forgot.
        self.entries: OrderedDict[str, T] = OrderedDict()
        self.absent: OrderedDict[str, None] = OrderedDict()
        self.hits = 0  # the doors count their own looks into `entries`, too
        self.hits_missed = 0
        self.made_up = 0  # answered without a look into the database
        self.existing = Existing()
        self._room = room
        self._compile = compile_row
        self._copy = copy
        self._ask = ask
        self._from_copy: set[str] = set()
        self._wanted: dict[str, asyncio.Future[Told[T]]] = {}
        self.away = False

    # --- the doors' side

    async def fetch(self, keys: Iterable[str]) -> dict[str, T | None]:
        """The rows of `keys`, None where there is none; raises `StoreAway` when unknown."""
        found: dict[str, T | None] = {}
        missing = []
        for key in keys:
            if key in self.entries:
                self.hits += 1
                found[key] = self.entries[key]
            elif key in self.absent or self.is_made_up(key):
                found[key] = None
            else:
                missing.append(key)
        if missing:
            self.hits_missed += len(missing)
            for key, future in [(key, self._want(key)) for key in missing]:
                if future is not None:
                    await asyncio.wait([future], timeout=ANSWER_SECONDS)
                found[key] = self._settled(key, future)
        return found

    def is_made_up(self, key: str) -> bool:
        """Whether a key need not be looked up; asked of the filter only in a crowd.

        The filter knows of a new row as soon as its change is told, half a second after it.
        """
        if len(self._wanted) < CROWD or key in self.existing:
            return False
        self.made_up += 1
        return True

    def _want(self, key: str) -> "asyncio.Future[Told[T]] | None":
        if self.away:
            return None
        future = self._wanted.get(key)
        if future is None:
            if len(self._wanted) >= MOST_WANTED:
                raise StoreAway("Too many unknown addresses are being looked up.")
            future = self._wanted[key] = asyncio.get_running_loop().create_future()
            self._ask()
        return future

    def _settled(self, key: str, future: "asyncio.Future[Told[T]] | None") -> T | None:
        if future is not None and future.done() and (told := future.result()) is not None:
            return told[0]
        if key in self.entries:
            return self.entries[key]
        if key in self.absent:
            return None
        # The copy holds nothing that never was; in a flood, looks at the disk would add up.
        row = self._copy.read(self.noun, key) if key in self.existing else None
        if row and (entry := self._compiled(key, row)) is not None:
            self._keep(key, entry)
            self._from_copy.add(key)
            return entry
        raise StoreAway("This address cannot be looked up while the database is away.")

    def _compiled(self, key: str, row: Row) -> T | None:
        try:
            return self._compile(row)
        except Exception:
            # A fault of ours in one row must not keep the door from learning the others.
            log().exception("row.unreadable", noun=self.noun, key=key)
            return None

    # --- the keeper's side

    def wanted(self, most: int) -> list[str]:
        """Keys that requests wait for."""
        return list(islice(self._wanted, most))

    def put(self, rows: dict[str, Row | None]) -> None:
        """Rows as the database has them now; requests that wait for them go on."""
        for key, row in rows.items():
            self._from_copy.discard(key)
            if row is None:
                self.entries.pop(key, None)
                self.absent[key] = None
                _shrink(self.absent, self._room // ABSENT_SHARE)
                self._release(key, (None,))
            elif (entry := self._compiled(key, row)) is not None:
                self.absent.pop(key, None)
                self._keep(key, entry)
                self._release(key, (entry,))
            else:
                self._release(key, None)

    def _keep(self, key: str, entry: T) -> None:
        self.entries[key] = entry
        _shrink(self.entries, self._room)

    def _release(self, key: str, told: "Told[T]") -> None:
        future = self._wanted.pop(key, None)
        if future is not None and not future.done():
            # Handed over, too: in a flood it may be pushed out before its request goes on.
            future.set_result(told)

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
                self._release(key, None)
        else:
            for key in self._from_copy:
                self.entries.pop(key, None)
            self._from_copy.clear()

    def forget_all(self) -> None:
        """Start over; the copy on disk stays."""
        self.entries.clear()
        self.absent.clear()
        self._from_copy.clear()


def _shrink(entries: OrderedDict[str, Any], room: int) -> None:
    while len(entries) > room:
        entries.popitem(last=False)
