"""The worker's end of the journal: claim batches, take over from the dead, acknowledge."""

import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from base.errors import StoreAway
from base.ids import is_click_id, time_of
from base.settings import settings
from journal.streams import (
    ACKNOWLEDGE,
    FORGET_CONSUMER,
    GROUP,
    IN_FLIGHT,
    Kind,
    items_key,
    stream,
)

STALE_MS = 10_000  # a claim is stored in 3 s or given up: after 10 its holder is dead or stopped
FORGET_MS = 3_600_000
_READ_COUNT = 64  # batches a read at most
_FIRST_COUNT = 8  # then their size is known: those of a flood may be far larger than the last
_FULL_ITEMS = 2_000  # what a batch may hold
_TAKE_COUNT = 8
_MOST_LISTED = 1_000

# Entries this process cannot read, so that it does not take them over again and again.
_left: set[bytes] = set()


@dataclass(frozen=True, slots=True)
class Claimed:
    """One batch in our hands; `entry` is its place in the stream."""

    entry: bytes
    id: str
    count: int
    version: bytes
    body: bytes
    doors: str = ""  # items by door, as the door wrote it


@contextmanager
def errors() -> Iterator[None]:
    """What Redis says while it is away, as `StoreAway`."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise StoreAway("The journal does not answer.") from error
    except (redis.ReadOnlyError, redis.OutOfMemoryError, redis.BusyLoadingError) as error:
        raise StoreAway("The journal cannot be written to.") from error


@cache
def client() -> "redis.Redis":
    """This process's connection pool to the journal."""
    # A repeated XREADGROUP would claim a second set of batches: never by itself.
    return redis.Redis.from_url(
        settings().journal,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )


def consumer_name() -> str:
    """A name no consumer had before: the host, the process, and chance."""
    return f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"


class Consumer:
    """One thread's share of one stream."""

    def __init__(self, kind: Kind, name: str) -> None:
        self.kind = kind
        self.name = name
        self._stream = stream(kind)
        self._unsure = False  # whether an earlier claim of ours may still be open
        self._usual_items = float(_FULL_ITEMS)  # of a batch, as last seen

    def claim(self, most_items: int) -> list[Claimed]:
        """New batches of up to about `most_items` items; first our own that did not get stored.

        Raises `StoreAway`. Batches stay claimed until `acknowledge`, whatever happens to us.
        """
        try:
            with errors():
                if self._unsure:
                    self._unsure = False
                    if left := self._read(most_items, own=True):
                        return left
                return self._read(most_items, own=False)
        except BaseException:
            self._unsure = True  # the server may have claimed what we never heard of
            raise

    @property
    def unsure(self) -> bool:
        """Whether something may still be claimed by us that nobody is storing."""
        return self._unsure

    def failed(self) -> None:
        """What was claimed did not get stored: it comes first in the next claim."""
        self._unsure = True

    def _read(self, most_items: int, *, own: bool) -> list[Claimed]:
        claimed: list[Claimed] = []
        items = 0
        while items < most_items:
            # As many batches as should fit, judged by those read last: a page of full ones
            # would be fifty megabytes.
            most = _READ_COUNT if claimed else _FIRST_COUNT
            count = min(most, max(1, int((most_items - items) / self._usual_items)))
            some = self._page((claimed[-1].entry if claimed else b"0") if own else b">", count)
            claimed += some
            found = sum(batch.count for batch in some)
            items += found
            if some:
                self._usual_items = max(1.0, found / len(some))
            if len(some) < count:
                break
        return claimed

    def _page(self, after: bytes, count: int) -> list[Claimed]:
        def read() -> Any:
            return client().xreadgroup(GROUP, self.name, {self._stream: after}, count=count)

        try:
            reply = read()
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            make_group(self.kind)
            reply = read()
        if not reply:
            return []
        # RESP3 gives a map of lists, RESP2 a list of pairs.
        entries = next(iter(reply.values()))[0] if isinstance(reply, dict) else reply[0][1]
        return _batches(entries)

    def acknowledge(self, claimed: list[Claimed]) -> None:
        """Take stored batches out of the journal; harmless when repeated."""
        arguments: list[Any] = [GROUP]
        for batch in claimed:
            arguments += [batch.entry, batch.count]
        with errors():
            _script(ACKNOWLEDGE)(keys=[self._stream, items_key(self.kind)], args=arguments)

    def leave(self, batches: list[Claimed]) -> None:
        """Batches this release cannot read: they stay claimed, for a release that can."""
        _left.update(batch.entry for batch in batches)

    def stale(self) -> dict[str, list[bytes]]:
        """Entries that somebody has held for too long, by holder; not those we had to leave."""
        holders: dict[str, list[bytes]] = {}
        after = b"-"
        while True:
            page = self._pending(after)
            for entry in page:
                if entry["message_id"] not in _left:
                    holders.setdefault(entry["consumer"].decode(), []).append(entry["message_id"])
            if holders or len(page) < _MOST_LISTED:
                return holders
            after = b"(" + page[-1]["message_id"]

    def _pending(self, after: bytes) -> list[dict[str, Any]]:
        with errors():
            try:
                found: Any = client().xpending_range(
                    self._stream, GROUP, after, "+", _MOST_LISTED, idle=STALE_MS
                )
            except redis.ResponseError:
                return []
        return list(found)

    def take_over(self, entries: list[bytes], most_items: int) -> list[Claimed]:
        """Make stale entries ours, up to about `most_items`; somebody may be quicker."""
        taken: list[Claimed] = []
        items = 0
        for at in range(0, len(entries), _TAKE_COUNT):
            if items >= most_items:
                break
            with errors():
                reply: Any = client().xclaim(
                    self._stream, GROUP, self.name, STALE_MS,
                    cast(Any, entries[at : at + _TAKE_COUNT]),
                )  # fmt: skip
            some = _batches(reply)
            taken += some
            items += sum(batch.count for batch in some)
        return taken


def _batches(entries: Any) -> list[Claimed]:
    claimed = []
    for entry, fields in entries:
        # A deleted entry that is still pending has no fields: acknowledging clears it.
        fields = fields or {}
        claimed.append(
            Claimed(
                entry,
                fields.get(b"id", b"").decode("ascii", "replace"),
                _number(fields.get(b"n", b"")),
                fields.get(b"v", b""),
                fields.get(b"b", b""),
                fields.get(b"d", b"").decode("ascii", "replace"),
            )
        )
    return claimed


def _number(text: bytes) -> int:
    """A count as a door writes it; 0 for anything else, which must not stop its neighbours."""
    return int(text) if text.isdigit() else 0


@cache
def _script(source: str) -> Any:
    return client().register_script(source)


def make_group(kind: Kind) -> None:
    """The consumer group, from the stream's first entry; harmless when it is there."""
    with errors():
        try:
            client().xgroup_create(stream(kind), GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


def forget_idle_consumers(kind: Kind) -> int:
    """Delete names that hold nothing and have been silent for an hour; returns how many."""
    with errors():
        try:
            consumers = client().xinfo_consumers(stream(kind), GROUP)
        except redis.ResponseError:
            return 0
        gone = 0
        for consumer in consumers:
            if consumer["idle"] > FORGET_MS and not consumer["pending"]:
                gone += int(
                    _script(FORGET_CONSUMER)(keys=[stream(kind)], args=[GROUP, consumer["name"]])
                )
        return gone


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits in one stream, in items."""

    items: int  # waiting and in flight
    in_flight: int
    oldest_seconds: float


def depth(kind: Kind) -> Depth:
    """What waits in a stream now; raises `StoreAway`."""
    with errors():
        connection = client()
        items = int(cast(Any, connection.get(items_key(kind))) or 0)
        first: Any = connection.xrange(stream(kind), count=1)
        seconds, micros = connection.time()
        try:
            in_flight = int(_script(IN_FLIGHT)(keys=[stream(kind)], args=[GROUP, _MOST_LISTED]))
        except redis.ResponseError:  # no group yet: nobody has claimed anything
            in_flight = 0
    oldest = 0.0
    if first:
        oldest = max(0.0, seconds + micros / 1e6 - int(first[0][0].split(b"-")[0]) / 1000)
    return Depth(items, in_flight, round(oldest, 3))


def backlog(kinds: Sequence[Kind]) -> int:
    """How many items wait or are in flight in these streams; raises `StoreAway`."""
    with errors():
        counts = cast(Any, client().mget([items_key(kind) for kind in kinds]))
        return sum(int(count or 0) for count in counts)


def oldest_batch_at(kind: Kind) -> datetime | None:
    """The moment inside the first waiting batch's id; None when nothing waits."""
    with errors():
        first: Any = client().xrange(stream(kind), count=1)
    batch = _batches(first)[0].id if first else ""
    return time_of(batch) if is_click_id(batch) else None


def waiting(kind: Kind) -> bool:
    """Whether anything is in the stream, claimed or not; raises `StoreAway`."""
    with errors():
        return bool(client().xlen(stream(kind)))
