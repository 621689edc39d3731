"""What waits in spools goes to the journal, with the ids it was given at the door."""

import asyncio
from pathlib import Path

from base.errors import StoreAway
from base.logs import log
from ingest.recorder import Recorder
from journal.appends import Appender, Batch
from journal.spool import Damage, Spool, drop, orphans, read

LOOK_SECONDS = 1.0
ADOPT_EVERY = 5  # looks
# One append of a replay is as long as a live one, so that visitors behind it do not notice.
APPEND_BYTES = 512 * 1024


async def replay(recorder: Recorder, appender: Appender, spool: Spool) -> None:
    """For ever: while the journal is up, empty our own spool and adopt those of dead doors."""
    look = 0
    while True:
        if recorder.journal_up:
            try:
                await _own(recorder, appender, spool)
                if look % ADOPT_EVERY == 0:
                    await _adopt(recorder, appender, spool)
            except StoreAway:
                pass  # it will be tried again; the same ids make a repeat harmless
            except OSError as error:
                log().error("spool.unreadable", reason=str(error))
        look += 1
        await asyncio.sleep(LOOK_SECONDS)


async def _own(recorder: Recorder, appender: Appender, spool: Spool) -> None:
    if not spool.bytes:
        return
    await recorder.seal_spool()
    for segment in spool.sealed():
        damage = await _send(segment, appender)
        spool.forget(segment, damage)


async def _adopt(recorder: Recorder, appender: Appender, spool: Spool) -> None:
    for orphan in orphans(spool.root, spool.folder.name):
        try:
            for segment in sorted(orphan.folder.glob("*.seg")):
                damage = await _send(segment, appender)
                drop(segment, damage)
        finally:
            orphan.close()


async def _send(segment: Path, appender: Appender) -> Damage:
    damage = Damage()
    batches = await asyncio.to_thread(lambda: list(read(segment, damage)))
    group: list[Batch] = []
    size = items = 0
    for batch in batches:
        if group and size + len(batch.body) > APPEND_BYTES:
            await appender.append(group)
            group, size = [], 0
        group.append(batch)
        size += len(batch.body)
        items += batch.count
    if group:
        await appender.append(group)
    if damage.bytes:
        # A crash tears the last record, which nobody was told is safe; anything more is the disk.
        log().warning("spool.damaged", segment=segment.name, bytes=damage.bytes)
    log().info("spool.replayed", segment=segment.name, items=items)
    return damage
