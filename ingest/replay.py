"""What waits in spools goes to the journal, with the ids it was given at the door."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from base.errors import StoreAway
from base.logs import log
from ingest.recorder import Recorder
from journal.appends import Appender, Batch
from journal.spool import Damage, Spool, drop, orphans, read, segments
from schemas.items import doors_of, unpack

LOOK_SECONDS = 1.0
ADOPT_EVERY = 5  # looks
BUDGET_SECONDS = 5.0  # nobody waits for these answers, and a repeat stores them once more
# One append of a replay is as long as a live one, so that visitors behind it do not notice.
APPEND_BYTES = 512 * 1024


class Replayer:
    """Empties our own spool and adopts those of dead doors; `run` is its one task.

    `appender` is a connection of its own: what is slow here must not fail a live append.
    """

    def __init__(self, recorder: Recorder, appender: Appender, spool: Spool) -> None:
        self._recorder = recorder
        self._appender = appender
        self._spool = spool
        self._through: dict[Path, int] = {}  # batches of a segment that are in the journal

    async def run(self) -> None:
        """For ever, while the journal is up."""
        look = 0
        while True:
            if self._recorder.journal_up:
                try:
                    await self._own()
                    if look % ADOPT_EVERY == 0:
                        await self._adopt()
                except StoreAway:
                    pass  # it goes on where it was; the same ids make a repeat harmless
                except OSError as error:
                    log().error("spool.unreadable", reason=str(error))
            look += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def _own(self) -> None:
        # The folder is the truth, not a counter: nothing acked may be overlooked.
        if not segments(self._spool.folder):
            return
        await self._recorder.on_disk(self._spool.seal)
        for segment in self._spool.sealed():
            damage = await self._send(segment)
            await self._recorder.on_disk(partial(self._spool.forget, segment, damage))

    async def _adopt(self) -> None:
        for orphan in orphans(self._spool.root, self._spool.folder.name):
            try:
                for segment in segments(orphan.folder):
                    damage = await self._send(segment)
                    drop(segment, damage)
            finally:
                orphan.close()

    async def _send(self, segment: Path) -> Damage:
        if not self._appender.open:
            await self._appender.connect(BUDGET_SECONDS)
        damage = Damage()
        batches = await asyncio.to_thread(
            lambda: [_with_doors(batch) for batch in read(segment, damage)]
        )
        at = self._through.get(segment, 0)
        while at < len(batches):
            group = _group(batches, at)
            await self._appender.append(group)
            at += len(group)
            self._through[segment] = at
        self._through.pop(segment, None)
        if damage.bytes:
            # A crash tears the last record, which nobody was told is safe; all else is the disk.
            log().warning("spool.damaged", segment=segment.name, bytes=damage.bytes)
        items = sum(batch.count for batch in batches)
        self._recorder.replayed += items
        log().info("spool.replayed", segment=segment.name, items=items)
        return damage


def _with_doors(batch: Batch) -> Batch:
    """The batch with its items by door, which a spool's record has no room for."""
    with suppress(ValueError):
        return replace(batch, doors=doors_of(unpack(batch.body)))
    return batch


def _group(batches: list[Batch], at: int) -> list[Batch]:
    """The batches from `at` that one append carries; at least one."""
    group: list[Batch] = []
    size = 0
    for batch in batches[at:]:
        size += len(batch.body)
        if group and size > APPEND_BYTES:
            break
        group.append(batch)
    return group
