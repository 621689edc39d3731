"""The door's end of the journal: append batches, one round trip, on disk when it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from base.clock import OffsetClock
from base.errors import JournalRefused, StoreAway, Transient
from journal import wire
from journal.streams import PROBE_KEY, Kind, items_key, stream
from journal.trust import QUESTIONS, doubt
from schemas.items import doors_text


@dataclass(frozen=True, slots=True)
class Batch:
    """What one append carries; `id` is a UUIDv7 in hex, made once, kept over every repeat."""

    kind: Kind
    id: str
    count: int  # items inside
    body: bytes  # schemas.items.pack
    version: bytes
    doors: Mapping[str, int] = field(default_factory=dict)  # items by door, for the audit


class Appender:
    """One trusted connection to the journal; `append` is its whole use.

    Calls may overlap: replies come in the order of the commands.
    """

    def __init__(
        self,
        url: str,
        clock: OffsetClock,
        *,
        budget_seconds: float,
        replicas: int,
        volatile_ok: bool,
    ) -> None:
        self._url = url
        self._clock = clock
        self._budget = budget_seconds
        self._replicas = replicas
        self._volatile_ok = volatile_ok
        self._wire: wire.Wire | None = None

    async def connect(self, budget_seconds: float) -> None:
        """(Re)connect, hold the server against what a journal must be, read its clock.

        Also writes one key, so that a full or read-only server is known before an event is
        risked on it. Raises `StoreAway` or `JournalRefused`.
        """
        self.close()
        opened = await wire.connect(self._url, budget_seconds)
        config, replication, written, time = await opened.call(
            [*QUESTIONS, ("SET", PROBE_KEY, "1"), ("TIME",)], budget_seconds
        )
        try:
            self._judge(doubt(config, replication), written)
            self._clock.set(_ms(time))
        except Transient:
            opened.close()
            raise
        self._wire = opened

    def _judge(self, reason: str | None, written: object = None) -> None:
        may_pass = self._volatile_ok
        if isinstance(written, Exception):
            reason, may_pass = f"it refuses writes ({written})", False
        if reason is not None and not may_pass:
            raise JournalRefused(f"The journal's Redis may not hold events: {reason}.")

    async def append(self, batches: list[Batch]) -> None:
        """All batches or none, fsynced when this returns; raises `StoreAway` when unknown."""
        if self._wire is None:
            raise StoreAway("The journal is not connected.")
        commands: list[wire.Command] = [("MULTI",)]
        for batch in batches:
            commands.append(
                ("XADD", stream(batch.kind), "*", "v", batch.version, "id", batch.id,
                 "n", batch.count, "d", doors_text(batch.doors), "b", batch.body)
            )  # fmt: skip
            commands.append(("INCRBY", items_key(batch.kind), batch.count))
        commands.append(("EXEC",))
        if self._replicas:
            commands.append(("WAITAOF", 1, self._replicas, int(self._budget * 800)))
        replies = await self._wire.call(commands, self._budget)
        done = replies[2 * len(batches) + 1]
        # EXEC only says that something was wrong; the first error says what.
        parts = [*replies[: 2 * len(batches) + 1], *(done if isinstance(done, list) else [done])]
        failed = next((part for part in parts if isinstance(part, Exception)), None)
        if failed is None and not isinstance(done, list):
            failed = StoreAway("the transaction was dropped")
        if failed is None and self._replicas:
            failed = self._too_few_replicas(replies[-1])
        if failed is not None:
            self.close()
            raise StoreAway(f"The journal refused an append: {failed}")

    def _too_few_replicas(self, reply: object) -> Exception | None:
        if isinstance(reply, list) and reply[0] >= 1 and reply[1] >= self._replicas:
            return None
        return StoreAway(f"fewer than {self._replicas} replicas have it on disk")

    async def check(self, budget_seconds: float) -> None:
        """Read the clock again and hold the settings against the rules; raises like `connect`."""
        if self._wire is None or not self._wire.open:
            await self.connect(budget_seconds)
            return
        config, replication, time = await self._wire.call([*QUESTIONS, ("TIME",)], budget_seconds)
        try:
            self._judge(doubt(config, replication))
            self._clock.set(_ms(time))
        except Transient:
            self.close()
            raise

    @property
    def open(self) -> bool:
        """Whether there is a connection that was trusted and has not failed since."""
        return self._wire is not None and self._wire.open

    def close(self) -> None:
        """Hang up; `connect` may be called again."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _ms(time: object) -> float:
    """The reply to TIME in milliseconds since 1970; a busy server, or one that may not, is away."""
    if not isinstance(time, list):
        raise StoreAway(f"The journal does not tell the time: {time}")
    return int(time[0]) * 1000 + int(time[1]) / 1000
