"""Items in a worker's hands, and what became of those of one transaction."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from base.ids import ms_of
from db import held
from db.held import Holding
from journal.claims import Claimed
from journal.streams import Kind
from schemas.items import Item, doors_read, doors_text
from workers.rows import Row

# Their items wait and are retried as payments, whichever stream they came in.
PAYMENTS = frozenset({"conversion", "rebill", "refund"})


class Found:
    """An item in our hands, where it came from, and how it ends."""

    __slots__ = ("batch", "item", "position", "row")

    def __init__(self, batch: str, position: int, item: Item) -> None:
        self.batch = batch
        self.position = position
        self.item = item
        self.row: Row | None = None


class Outcome:
    """What became of the items of one transaction.

    `is_news` says whether workflows hear of it: of what lies long back they do not.
    """

    def __init__(self, kind: Kind, *, is_news: bool = True) -> None:
        self.kind = kind
        self.is_news = is_news
        self.told = 0  # facts that workflows listen to
        self.stored = 0
        self.duplicates = 0
        self.gone = 0  # with their deleted owner
        self.held: list[Holding] = []
        self._ended: Counter[tuple[str, str, str]] = Counter()  # by batch, door, outcome

    def end(self, found: Iterable[Found], outcome: str) -> None:
        """Count items that have ended, for the audit."""
        self._ended.update([(one.batch, one.item.get("door", "?"), outcome) for one in found])

    def ended(self) -> Counter[tuple[int, str, str]]:
        """The same by minute, of all items that came in a batch."""
        minutes: Counter[tuple[int, str, str]] = Counter()
        for (batch, door, outcome), count in self._ended.items():
            if batch:
                minutes[ms_of(batch) // 60_000, door, outcome] += count
        return minutes

    def counts(self) -> dict[str, int]:
        """How many ended how."""
        dead = sum(1 for one in self.held if one.state == "dead")
        return {
            "stored": self.stored,
            "duplicates": self.duplicates,
            "gone": self.gone,
            "dead": dead,
            "deferred": len(self.held) - dead,
        }

    def bury(self, found: Found, reason: str, error: str | None = None) -> None:
        """Keep an item as a dead letter."""
        self.held.append(
            held.dead_item(self.kind, found.batch, found.position, found.item, reason, error)
        )

    def bury_batch(
        self, batch: Claimed, reason: str, error: str | None = None, place: str | None = None
    ) -> None:
        """Keep a whole batch as a dead letter; `place` is for one without an id of its own."""
        doors = doors_text(doors_read(batch.doors, batch.count))
        self.held.append(
            held.dead_batch(self.kind, place or batch.id, batch.body, doors, reason, error)
        )

    def defer(self, found: Found, reason: str = "owner_locked") -> None:
        """Keep an item until what it waits for is there: its owner's lock gone, or its click."""
        kind = Kind.CONVERSIONS if found.item["type"] in PAYMENTS else self.kind
        self.held.append(held.deferred_item(kind, found.batch, found.position, found.item, reason))

    def paid(self, ended: "Ended") -> None:
        """Take over how payments ended, once they are written for good."""
        self.stored += len(ended.stored)
        self.duplicates += len(ended.duplicates)
        self.gone += len(ended.gone)
        self.told += ended.told
        self.end(ended.stored, "stored")
        self.end(ended.duplicates, "duplicate")
        self.end(ended.gone, "gone")
        for found, reason in ended.deferred:
            self.defer(found, reason)
        for found, why in ended.dead:
            self.bury(found, "unreadable", why)


@dataclass(slots=True)
class Ended:
    """How payments' items ended; those of one transaction that went through."""

    told: int = 0  # facts that workflows listen to
    stored: list[Found] = field(default_factory=list)
    duplicates: list[Found] = field(default_factory=list)
    gone: list[Found] = field(default_factory=list)
    deferred: list[tuple[Found, str]] = field(default_factory=list)  # and what they wait for
    dead: list[tuple[Found, str]] = field(default_factory=list)  # and why
