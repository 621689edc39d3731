"""Group commit: what arrives while one append is in flight goes out together in the next.

A request is answered when its items are on disk: in the journal, else in the spool. The order
is kept out of the way of the answers: the next append is on the wire before the last one's
clients are answered.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from base.clock import OffsetClock, steady
from base.errors import JournalRefused, StoreAway
from base.ids import uuid7_hex
from base.logs import log
from ingest.answers import without_ack
from ingest.http import Request
from journal.appends import Appender, Batch
from journal.spool import Spool, SpoolFull
from journal.streams import Kind
from schemas.items import VERSION, Item, pack

GROUP_ITEMS = 2000  # one append stays near a megabyte, so that its fsync stays short
MOST_WAITING_ITEMS = 50_000  # beyond, memory is at stake: doors refuse
PROBE_SECONDS = 0.25
PROBE_BUDGET_SECONDS = 2.0
CHECK_SECONDS = 5.0

# The request, its answer once durable, and when the items could not be kept: None for the same
# answer without the click id, which is what promises durability.
Waiter = tuple[Request, bytes, bytes | None]


class _Group:
    """Items of many requests on their way into one append."""

    __slots__ = ("count", "items", "waiters")

    def __init__(self) -> None:
        self.items: dict[Kind, list[Item]] = {}
        self.waiters: list[Waiter] = []
        self.count = 0

    def batches(self, ms: int) -> list[Batch]:
        return [
            Batch(kind, uuid7_hex(ms), len(items), pack(items), VERSION)
            for kind, items in self.items.items()
        ]

    def answer(self, kept: bool) -> None:
        for request, durable, lost in self.waiters:
            request.answer(durable if kept else lost or without_ack(durable))


class Recorder:
    """Keeps items; `record` from the loop's thread, `run` and `watch` as two tasks."""

    def __init__(
        self,
        appender: Appender,
        spool: Spool,
        clock: OffsetClock,
        on_kept: Callable[[Kind], None],
    ) -> None:
        self._appender = appender
        self._spool = spool
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

    @property
    def spool_bytes(self) -> int:
        """Bytes waiting in this process's spool."""
        return self._spool.bytes

    # --- in

    def record(self, kind: Kind, item: Item, waiter: Waiter) -> None:
        """Keep one item; the waiter's request is answered when it is durable, or lost."""
        group = self._room(1)
        if group is None:
            self._refuse(1, waiter)
            return
        if kind in group.items:
            group.items[kind].append(item)
        else:
            group.items[kind] = [item]
        self._add(group, 1, waiter)

    def record_all(self, items: dict[Kind, list[Item]], count: int, waiter: Waiter) -> None:
        """Keep all items of one request, in one append."""
        group = self._room(count)
        if group is None:
            self._refuse(count, waiter)
            return
        for kind, some in items.items():
            group.items.setdefault(kind, []).extend(some)
        self._add(group, count, waiter)

    def _room(self, count: int) -> _Group | None:
        """The group that takes `count` more items; None when memory is at stake."""
        if self._waiting + count > MOST_WAITING_ITEMS:
            return None
        group = self._groups[-1]
        if group.count and group.count + count > GROUP_ITEMS:
            group = _Group()
            self._groups.append(group)
        return group

    def _refuse(self, count: int, waiter: Waiter) -> None:
        self.dropped["overload"] += count
        waiter[0].answer(waiter[2] or without_ack(waiter[1]))

    def _add(self, group: _Group, count: int, waiter: Waiter) -> None:
        group.waiters.append(waiter)
        group.count += count
        self._waiting += count
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

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
            kept = await self._keep(batches)
            self._waiting -= group.count
            if not kept:
                self.dropped["spool_full"] += group.count
            loop.call_soon(group.answer, kept)

    async def _keep(self, batches: list[Batch]) -> bool:
        if self.journal_up:
            try:
                await self._appender.append(batches)
            except StoreAway as error:
                # Unknown, not lost: the same ids go to the spool, the ledger makes them one.
                self._down(error)
            else:
                for batch in batches:
                    self._on_kept(batch.kind)
                return True
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._disk, self._spool.append, batches
            )
        except SpoolFull as error:
            if not self.spool_full:
                log().error("spool.full", reason=str(error))
            self.spool_full = True
            return False
        self.spool_full = False
        return True

    def _down(self, error: Exception) -> None:
        if self.journal_up or self.trouble != str(error):
            log().warning("journal.away", reason=str(error))
        self.journal_up, self.trouble = False, str(error)

    async def seal_spool(self) -> None:
        """Close the open segment, in the spool's own thread, so that it can be replayed."""
        await asyncio.get_running_loop().run_in_executor(self._disk, self._spool.seal)

    async def idle(self) -> None:
        """Wait until everything recorded so far has been answered."""
        while self._waiting:
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
