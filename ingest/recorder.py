"""Group commit: what arrives while one append is in flight goes out together in the next.

A request is answered when its items are on disk: in the journal, else in the spool. The order
is kept out of the way of the answers: the next append is on the wire before the last one's
clients are answered.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import TypeVar

from admin.pulse import silent
from base.clock import OffsetClock, steady
from base.errors import JournalRefused, StoreAway
from base.ids import uuid7_hex
from base.logs import log
from ingest.answers import without_ack
from ingest.http import Request
from ingest.pace import JOURNAL, SPOOL, Pace
from ingest.tally import Tally
from journal.appends import Appender, Batch
from journal.room import Room
from journal.spool import Spool, SpoolFull
from journal.streams import Kind
from schemas.items import VERSION, Item, doors_of, pack

GROUP_ITEMS = 2_000  # one append stays near a megabyte, so that its fsync stays short
GROUP_BYTES = 2 * 1024 * 1024  # of request bodies
BATCH_BYTES = 512 * 1024
MOST_WAITING_ITEMS = 50_000  # beyond, memory is at stake: doors refuse
PROBE_SECONDS = 0.25
IDLE_SECONDS = 3.0  # longer than any append's budget
_SAY_EVERY = 1_000  # drops: overload is one fact, not one per visitor
PROBE_BUDGET_SECONDS = 2.0
CHECK_SECONDS = 5.0

# The request, its answer once durable, and when the items could not be kept: None for the same
# answer without the click id, which is what promises durability.
Waiter = tuple[Request, bytes, bytes | None]


T = TypeVar("T")


class Fate(Enum):
    """What became of a group of items."""

    KEPT = auto()
    REFUSED = auto()  # surely not recorded
    UNKNOWN = auto()  # the journal, or a disk, may have it after all


class _Group:
    """Items of many requests on their way into one append."""

    __slots__ = ("bytes", "count", "items", "opened", "waiters")

    def __init__(self) -> None:
        self.items: dict[Kind, list[Item]] = {}
        self.waiters: list[Waiter] = []
        self.count = 0
        self.bytes = 0
        self.opened = 0.0  # when its first item came

    def batches(self, ms: int) -> list[Batch]:
        return [batch for kind, items in self.items.items() for batch in _batches(kind, items, ms)]

    def answer(self, kept: bool) -> None:
        for request, durable, lost in self.waiters:
            request.answer(durable if kept else lost or without_ack(durable))


def _batches(kind: Kind, items: list[Item], ms: int) -> list[Batch]:
    """The items as one batch, or as several of a size that a worker takes in its stride."""
    body = pack(items)
    if len(body) <= BATCH_BYTES or len(items) == 1:
        return [Batch(kind, uuid7_hex(ms), len(items), body, VERSION, doors_of(items))]
    half = len(items) // 2
    return _batches(kind, items[:half], ms) + _batches(kind, items[half:], ms)


class Recorder:
    """Keeps items; `record` from the loop's thread, `run` and `watch` as two tasks."""

    def __init__(
        self,
        appender: Appender,
        spool: Spool,
        clock: OffsetClock,
        tally: Tally,
        on_kept: Callable[[Kind], None],
    ) -> None:
        self._appender = appender
        self._spool = spool
        self._tally = tally
        self._clock = clock
        self._on_kept = on_kept
        self._groups: deque[_Group] = deque([_Group()])
        self._waiting = 0
        self._idle: asyncio.Future[None] | None = None
        # fsync blocks: the spool has a thread to itself.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self.journal_up = False
        self.trouble: str | None = "the journal is not connected yet"
        self.spool_full = False
        self.dropped: Counter[str] = Counter()
        self.replayed = 0  # items that went from spools to the journal
        self.pace = Pace()
        self._kept_in = JOURNAL
        self._began: float | None = None  # when the append in flight began

    @property
    def spool_bytes(self) -> int:
        """Bytes waiting in this process's spool."""
        return self._spool.bytes

    @property
    def waiting(self) -> int:
        """Items in memory that are on no disk yet."""
        return self._waiting

    def spool_room(self) -> Room:
        """How full this process's spool is; raises OSError."""
        return self._spool.room()

    def stuck(self, most_seconds: float) -> str | None:
        """Why the append in flight will not end; None while there is hope, or none in flight."""
        began = self._began
        return None if began is None else silent(began, most_seconds)

    # --- in

    def record(self, kind: Kind, item: Item, waiter: Waiter) -> None:
        """Keep one item; the waiter's request is answered when it is durable, or lost."""
        group = self._room(1, 0)
        if group is None:
            self._refuse([item], waiter)
            return
        if kind in group.items:
            group.items[kind].append(item)
        else:
            group.items[kind] = [item]
        self._add(group, 1, waiter)

    def record_all(self, items: dict[Kind, list[Item]], count: int, waiter: Waiter) -> None:
        """Keep all items of one request, in one append."""
        size = len(waiter[0].body)
        group = self._room(count, size)
        if group is None:
            self._refuse([item for some in items.values() for item in some], waiter)
            return
        for kind, some in items.items():
            group.items.setdefault(kind, []).extend(some)
        group.bytes += size
        self._add(group, count, waiter)

    def _room(self, count: int, size: int) -> _Group | None:
        """The group that takes `count` more items of `size` bytes; None when memory is at stake."""
        if self._waiting + count > MOST_WAITING_ITEMS:
            return None
        group = self._groups[-1]
        if group.count and (group.count + count > GROUP_ITEMS or group.bytes + size > GROUP_BYTES):
            group = _Group()
            self._groups.append(group)
        return group

    def _refuse(self, items: list[Item], waiter: Waiter) -> None:
        if self.dropped["overload"] % _SAY_EVERY == 0:
            log().error("events.dropped", reason="overload", waiting=self._waiting)
        for door, count in doors_of(items).items():
            self.drop(door, count, "overload")
        waiter[0].answer(waiter[2] or without_ack(waiter[1]))

    def _add(self, group: _Group, count: int, waiter: Waiter) -> None:
        if not group.count:
            group.opened = steady()
        group.waiters.append(waiter)
        group.count += count
        self._waiting += count
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def drop(self, door: str, count: int, reason: str) -> None:
        """Count items that were answered and will never be recorded."""
        self.dropped[reason] += count
        self._tally.drop(door, count, self._clock.ms())

    # --- out

    async def run(self) -> None:
        """Send group after group, for ever; one append in flight at a time."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._groups[0].count:
                self._idle = loop.create_future()
                await self._idle
            group = self._groups.popleft()
            if not self._groups:
                self._groups.append(_Group())
            batches = group.batches(self._clock.ms())
            self._tally.offer(batches)
            began = self._began = steady()
            fate = await self._keep(batches)
            self._began = None
            self._waiting -= group.count
            if fate is Fate.KEPT:
                self._tally.ack(batches)
                self.pace.done(self._kept_in, group.count, group.opened, began)
            else:
                self.dropped["spool_full"] += group.count
                self._tally.refuse(batches, surely=fate is Fate.REFUSED)
            loop.call_soon(group.answer, fate is Fate.KEPT)

    async def _keep(self, batches: list[Batch]) -> Fate:
        not_kept = Fate.REFUSED
        if self.journal_up:
            not_kept = Fate.UNKNOWN
            try:
                await self._appender.append(batches)
            except StoreAway as error:
                # Unknown, not lost: the same ids go to the spool, the ledger makes them one.
                self._down(error)
            else:
                for batch in batches:
                    self._on_kept(batch.kind)
                self._kept_in = JOURNAL
                return Fate.KEPT
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._disk, self._spool.append, batches
            )
        except SpoolFull as error:
            if not self.spool_full:
                log().error("spool.full", reason=str(error))
            self.spool_full = True
            return not_kept if error.untouched else Fate.UNKNOWN
        except Exception:
            # One group's clients are told to come back; the door goes on for the others.
            log().exception("spool.failed")
            return Fate.UNKNOWN
        self.spool_full = False
        self._kept_in = SPOOL
        return Fate.KEPT

    def _down(self, error: Exception) -> None:
        if self.journal_up or self.trouble != str(error):
            log().warning("journal.away", reason=str(error))
        self.journal_up, self.trouble = False, str(error)

    async def on_disk(self, act: Callable[[], T]) -> T:
        """Do something with the spool, in the one thread that may."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, act)

    async def idle(self) -> None:
        """Wait until everything recorded so far has been answered, a few seconds at most."""
        for _ in range(round(IDLE_SECONDS / 0.005)):
            if not self._waiting:
                return
            await asyncio.sleep(0.005)

    # --- the journal's health

    async def connect(self) -> None:
        """One attempt to reach the journal; `journal_up` tells."""
        try:
            await self._appender.connect(PROBE_BUDGET_SECONDS)
        except (StoreAway, JournalRefused) as error:
            self._down(error)
        else:
            log().info("journal.up")
            self.journal_up, self.trouble = True, None

    async def watch(self) -> None:
        """Bring the journal back when it is away, and doubt it every few seconds when not."""
        checked = steady()
        while True:
            if not self.journal_up:
                await self.connect()
                checked = steady()
            elif steady() - checked >= CHECK_SECONDS:
                checked = steady()
                try:
                    await self._appender.check(PROBE_BUDGET_SECONDS)
                except (StoreAway, JournalRefused) as error:
                    self._down(error)
            await asyncio.sleep(PROBE_SECONDS)
