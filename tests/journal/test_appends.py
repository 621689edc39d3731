"""Appends: only to a server that keeps what it says, all batches of a request or none."""

import asyncio
from typing import Any

import pytest

from base.clock import OffsetClock, sleep, wall_ms
from base.errors import JournalRefused, StoreAway
from journal.appends import Appender, Batch
from journal.streams import PROBE_KEY, Kind, items_key, stream
from tests.journal.conftest import DURABLE, StartValkey, Valkey, strange_redis

CLICK = Batch(Kind.CLICKS, "0" * 32, 3, b'[{"a":1}]', b"1", {"r": 2, "p": 1})
SALE = Batch(Kind.CONVERSIONS, "1" * 32, 1, b"\xff\x00", b"1")


def appender(
    url: str,
    clock: OffsetClock | None = None,
    *,
    replicas: int = 0,
    volatile_ok: bool = False,
    budget: float = 2,
) -> Appender:
    return Appender(
        url,
        clock or OffsetClock(),
        budget_seconds=budget,
        replicas=replicas,
        volatile_ok=volatile_ok,
    )


def connect(url: str, **more: Any) -> None:
    """Only that: raises when the server may not be the journal."""

    async def go() -> None:
        made = appender(url, **more)
        await made.connect(2)
        made.close()

    asyncio.run(go())


def append(url: str, *groups: list[Batch], **more: Any) -> None:
    async def go() -> None:
        made = appender(url, **more)
        await made.connect(2)
        try:
            for group in groups:
                await made.append(group)
        finally:
            made.close()

    asyncio.run(go())


def entries(server: Valkey, kind: Kind) -> list[dict[bytes, bytes]]:
    found: Any = server.client.xrange(stream(kind))
    return [fields for _, fields in found]


def counted(server: Valkey, kind: Kind) -> int:
    return int(server.client.get(items_key(kind)) or 0)


@pytest.fixture
def durable(start_valkey: StartValkey) -> Valkey:
    """A Valkey that may be the journal."""
    return start_valkey(*DURABLE)


def test_the_embedded_journal_may_hold_events(journal: str) -> None:
    connect(journal)


def test_batches_of_several_kinds_are_entered_and_counted_together(durable: Valkey) -> None:
    append(durable.url, [CLICK, SALE], [CLICK])

    clicks = entries(durable, Kind.CLICKS)
    assert (
        clicks
        == [{b"v": b"1", b"id": b"0" * 32, b"n": b"3", b"d": b"r:2,p:1", b"b": b'[{"a":1}]'}] * 2
    )
    assert entries(durable, Kind.CONVERSIONS)[0][b"b"] == b"\xff\x00"
    assert (counted(durable, Kind.CLICKS), counted(durable, Kind.CONVERSIONS)) == (6, 1)


def test_one_refused_batch_leaves_the_whole_append_unknown(durable: Valkey) -> None:
    durable.client.set(stream(Kind.CONVERSIONS), "no stream")

    with pytest.raises(StoreAway, match="refused an append: WRONGTYPE"):
        append(durable.url, [CLICK, SALE])

    assert len(entries(durable, Kind.CLICKS)) <= 1


def test_a_server_that_fills_up_refuses_the_whole_append(durable: Valkey) -> None:
    async def go() -> None:
        made = appender(durable.url)
        await made.connect(2)
        durable.client.config_set("maxmemory", "1")
        with pytest.raises(StoreAway, match="OOM"):
            await made.append([CLICK, SALE])
        with pytest.raises(StoreAway, match="not connected"):
            await made.append([CLICK])

    asyncio.run(go())

    durable.client.config_set("maxmemory", "0")
    assert not durable.client.exists(*map(stream, Kind), *map(items_key, Kind))


def test_a_full_server_is_known_before_an_event_is_risked_on_it(start_valkey: StartValkey) -> None:
    server = start_valkey(*DURABLE, "maxmemory 1")

    with pytest.raises(JournalRefused, match=r"it refuses writes.*OOM"):
        connect(server.url)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("appendonly no",), "appendonly is no, it must be yes"),
        ((*DURABLE, "appendfsync everysec"), "appendfsync is everysec, it must be always"),
        ((*DURABLE, "no-appendfsync-on-rewrite yes"), "no-appendfsync-on-rewrite is yes"),
        ((*DURABLE, "maxmemory-policy allkeys-lru"), "maxmemory-policy is allkeys-lru"),
        ((*DURABLE, "user default on nopass ~* +@all -config"), "does not let us read its setti"),
        ((*DURABLE, "user default on nopass ~* +@all -info"), "does not let us read its setti"),
    ],
)
def test_a_volatile_server_is_refused_unless_that_is_allowed(
    start_valkey: StartValkey, lines: tuple[str, ...], sentence: str
) -> None:
    server = start_valkey(*lines)

    with pytest.raises(JournalRefused, match=sentence):
        append(server.url, [CLICK])

    assert entries(server, Kind.CLICKS) == []
    append(server.url, [CLICK], volatile_ok=True)
    assert len(entries(server, Kind.CLICKS)) == 1


def test_a_replica_is_refused_even_when_volatile_servers_are_allowed(
    start_valkey: StartValkey, durable: Valkey
) -> None:
    replica = start_valkey(*DURABLE, f"replicaof 127.0.0.1 {durable.port}")

    for allowed in (False, True):
        with pytest.raises((JournalRefused, StoreAway), match=r"READONLY|refused|replica"):
            connect(replica.url, volatile_ok=allowed)

    assert replica.client.role()[0] == b"slave"


def test_a_master_that_takes_writes_as_a_replica_is_refused(
    start_valkey: StartValkey, durable: Valkey
) -> None:
    replica = start_valkey(*DURABLE, f"replicaof 127.0.0.1 {durable.port}", "replica-read-only no")

    with pytest.raises(JournalRefused, match="it is a replica"):
        connect(replica.url)


def test_settings_that_change_afterwards_are_noticed_by_the_next_check(durable: Valkey) -> None:
    async def go() -> None:
        made = appender(durable.url)
        await made.connect(2)
        await made.check(2)
        durable.client.config_set("appendfsync", "everysec")
        with pytest.raises(JournalRefused, match="everysec"):
            await made.check(2)
        with pytest.raises(StoreAway):
            await made.append([CLICK])

    asyncio.run(go())


@pytest.mark.parametrize("volatile_ok", [False, True])
def test_a_server_that_does_not_tell_the_time_is_away(
    start_valkey: StartValkey, volatile_ok: bool
) -> None:
    server = start_valkey(*DURABLE, "user default on nopass ~* +@all -time")

    with pytest.raises((StoreAway, JournalRefused), match="does not tell the time"):
        connect(server.url, volatile_ok=volatile_ok)


@pytest.mark.parametrize("volatile_ok", [False, True])
def test_a_server_that_is_busy_at_a_check_is_away(durable: Valkey, volatile_ok: bool) -> None:
    """A script of somebody else's makes every answer `BUSY`."""
    durable.client.config_set("busy-reply-threshold", "1")

    async def go() -> None:
        made = appender(durable.url, volatile_ok=volatile_ok)
        await made.connect(2)
        script = asyncio.create_task(
            asyncio.to_thread(lambda: durable.database(1).eval("while true do end", 0))
        )
        while True:
            try:
                await made.check(2)
            except (StoreAway, JournalRefused):
                break
        durable.client.script_kill()
        await asyncio.gather(script, return_exceptions=True)

    asyncio.run(go())


def test_ids_are_made_by_the_journals_clock() -> None:
    year_2030 = 1_900_000_000

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"+PONG\r\n")
        await reader.read(1000)
        writer.write(b"-NOPERM\r\n" * 2 + b"+OK\r\n")
        writer.write(b"*2\r\n$10\r\n%d\r\n$6\r\n250000\r\n" % year_2030)
        await asyncio.Event().wait()

    clock = OffsetClock()

    async def go() -> None:
        async with strange_redis(behave) as url:
            made = appender(url, clock, volatile_ok=True)
            await made.connect(2)
            made.close()

    asyncio.run(go())

    assert clock.measured
    assert clock.ms() == pytest.approx(year_2030 * 1000 + 250, abs=1_000)
    assert clock.ahead_of_host_seconds() > 0


def test_the_offset_of_a_server_on_this_host_is_nothing(durable: Valkey) -> None:
    clock = OffsetClock()

    connect(durable.url, clock=clock)

    assert clock.measured
    assert clock.ms() == pytest.approx(wall_ms(), abs=1_000)


def test_replicas_that_are_asked_for_must_have_it_on_disk(
    start_valkey: StartValkey, durable: Valkey
) -> None:
    with pytest.raises(StoreAway, match="fewer than 1 replicas have it on disk"):
        append(durable.url, [CLICK], replicas=1, budget=0.2)

    replica = start_valkey(*DURABLE, f"replicaof 127.0.0.1 {durable.port}")
    while replica.client.info("replication")["master_link_status"] != "up":
        sleep(0.01)
    append(durable.url, [SALE], replicas=1)
    assert replica.client.xlen(stream(Kind.CONVERSIONS)) == 1


def test_an_append_after_the_server_died_says_that_it_is_unknown(durable: Valkey) -> None:
    async def go() -> None:
        made = appender(durable.url)
        await made.connect(2)
        durable.process.kill()
        durable.process.wait()
        with pytest.raises(StoreAway):
            await made.append([CLICK])

    asyncio.run(go())


def test_the_probe_leaves_nothing_but_its_key(durable: Valkey) -> None:
    connect(durable.url)

    assert durable.client.keys("*") == [PROBE_KEY.encode()]
