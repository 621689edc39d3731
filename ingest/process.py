"""One ingest process: what its doors stand on, made in order, ended in order."""

import asyncio
import os
import secrets
import signal
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from base import descriptors
from base.clock import OffsetClock
from base.errors import Misused
from base.logs import log
from base.memory import settle
from base.settings import Settings
from db import links as db_links
from ingest import http, keeper
from ingest.copy import Copy
from ingest.known import Known
from ingest.links import (
    Integration,
    Key,
    Link,
    compile_key,
    compiler,
    integration_compiler,
)
from ingest.recorder import Recorder
from ingest.replay import BUDGET_SECONDS, Replayer
from ingest.tally import Tally
from ingest.telling import Teller
from ingest.watching import Shown
from journal.appends import Appender
from journal.spool import Spool
from workers import controls
from workers.nudges import Nudger
from workers.queues import JOURNAL_QUEUES
from workers.watching import watch

FIRST_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """What doors are given."""

    settings: Settings
    clock: OffsetClock
    recorder: Recorder
    links: Known[Link]
    keys: Known[Key]
    integrations: Known[Integration]
    keeper: keeper.Keeper
    counts: Counter[str] = field(default_factory=Counter)  # what doors did, by outcome


async def run(
    chosen: Settings, host: str, port: int, make_handler: Callable[[Standing], http.Handler]
) -> None:
    """Serve until told to stop; raises `Misused` when the port is taken."""
    clock = OffsetClock()
    appender, slow = (
        Appender(
            chosen.journal,
            clock,
            budget_seconds=seconds,
            replicas=chosen.journal_replicas,
            volatile_ok=chosen.allow_volatile_redis,
        )
        for seconds in (chosen.journal_budget_seconds, BUDGET_SECONDS)
    )
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    spool = Spool(chosen.spool_root, name, chosen.spool_max_bytes)
    nudger = Nudger()
    tally = Tally(chosen.data_dir / "tallies", name)
    recorder = Recorder(
        appender, spool, clock, tally, lambda kind: nudger.ask(JOURNAL_QUEUES[kind])
    )
    base = _know(chosen, clock, recorder)
    teller = Teller(tally, chosen.spool_root)
    base.keeper.tell(teller.tell, teller.tell_now)
    base.keeper.start()
    controls.watch(name, "ingest")
    await _first_look(recorder, base)
    settle()
    server = await _open(chosen, host, port, make_handler(base))
    watching = watch("ingest", chosen)
    caches = (base.links, base.keys, base.integrations)
    Shown(server, recorder, base.keeper, caches, clock, base.counts).add_to(watching)
    watching.open(door=f"http://{f'[{host}]' if ':' in host else host}:{server.port}")
    await _until_told(
        [recorder.run(), recorder.watch(), Replayer(recorder, slow, spool).run()],
        end=lambda: _end(server, recorder),
    )
    watching.close()
    nudger.stop()
    base.keeper.stop()
    controls.stop()
    appender.close()
    slow.close()
    spool.close()
    tally.close()
    log().info("ingest.stopped")


async def _first_look(recorder: Recorder, base: Standing) -> None:
    """Give the stores a moment; a door that knows its links opens without them."""
    looks = [asyncio.ensure_future(recorder.connect()),
             asyncio.ensure_future(base.keeper.ready.wait())]  # fmt: skip
    await asyncio.wait(looks, timeout=FIRST_LOOK_SECONDS)
    for look in looks:
        look.cancel()
    if not base.keeper.ready.is_set():
        base.links.set_away(True)
        base.keys.set_away(True)
        base.integrations.set_away(True)


def _know(chosen: Settings, clock: OffsetClock, recorder: Recorder) -> Standing:
    """The caches of links and keys, and the thread that keeps them."""
    copy = Copy(chosen.data_dir / "links.sqlite")
    keep = keeper.Keeper(copy)
    own = frozenset({urlsplit(chosen.url).netloc.lower()})
    compile_row = compiler(chosen.fallback_url, chosen.respect_gpc, own)
    links = Known("link", chosen.link_cache_entries, compile_row, copy, keep.ask)
    keys = Known("key", chosen.link_cache_entries, compile_key, copy, keep.ask)
    keep.add("link", links, keeper.find_links, db_links.page)
    keep.add("key", keys, keeper.find_keys)
    integrations = Known(
        "integration", chosen.link_cache_entries, integration_compiler(chosen), copy, keep.ask
    )
    keep.add("integration", integrations, keeper.find_integrations)
    return Standing(chosen, clock, recorder, links, keys, integrations, keep)


async def _open(chosen: Settings, host: str, port: int, handler: http.Handler) -> http.Server:
    try:
        server = await http.serve(
            handler,
            host,
            port,
            max_connections=descriptors.connections(chosen.max_connections),
            on_bug=lambda: log().exception("door.failed"),
        )
    except OSError as error:
        raise Misused(
            f"Port {port} cannot be opened ({error.strerror}): choose another with --port."
        ) from error
    log().info("ingest.started", port=server.port)
    return server


async def _until_told(
    steps: list[Coroutine[Any, Any, None]], end: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Run the steps until a signal comes; raises what ends one of them before that."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    tasks = [asyncio.ensure_future(step) for step in steps]
    waiting: asyncio.Future[Any] = asyncio.ensure_future(told.wait())
    # A dead task is a dead door: end, so that whoever supervises starts a sound one.
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    await end()
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()


async def _end(server: http.Server, recorder: Recorder) -> None:
    """Accept nothing more, then wait until every answer that is owed has been given."""
    await server.stop()
    await recorder.idle()
