"""Watching events arrive: the newest first of all, then whatever is stored, as it is stored."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from base import clock
from base.clock import steady
from db import campaigns, events
from db.events import EventRow
from ops.cli.database import transaction

POLL_SECONDS = 0.5
PAGE = 2_000
# Ids are given out before commit, and a transaction that stores events takes 3 s at most: so
# long, a lower id may still appear.
LATE_SECONDS = 5.0


@dataclass(frozen=True)
class Filter:
    """Which events are wanted; None wants all."""

    user_id: UUID | None = None
    campaign_id: UUID | None = None
    event_type: str | None = None

    def read(self, tx: Any, **more: Any) -> list[EventRow]:
        """Events that pass."""
        return events.tail(
            tx,
            user_id=self.user_id,
            campaign_id=self.campaign_id,
            event_type=self.event_type,
            **more,
        )


def newest(chosen: Filter, count: int) -> tuple[list[EventRow], int]:
    """The last events there are, oldest first, and the id behind which new ones appear."""
    with transaction() as tx:
        newest_id = events.newest_id(tx)
        return (chosen.read(tx, limit=count) if count else []), newest_id


def follow(chosen: Filter, shown: list[EventRow], after: int) -> Iterator[EventRow]:
    """Events as they are stored, each once, for ever; `shown` were seen, `after` the newest id."""
    seen: set[int] = {row.id for row in shown}
    marks = deque([(steady(), after)])  # how far ids reached, and when
    floor = after
    while True:
        with transaction() as tx:
            reached = events.newest_id(tx)
            rows = chosen.read(tx, after=floor, known=seen, limit=PAGE)
        yield from rows
        seen.update(row.id for row in rows)
        if len(rows) == PAGE:
            continue
        marks.append((steady(), reached))
        while len(marks) > 1 and marks[1][0] < steady() - LATE_SECONDS:
            marks.popleft()
        if marks[0][0] < steady() - LATE_SECONDS:
            floor = marks[0][1]
            seen = {one for one in seen if one > floor}
        clock.sleep(POLL_SECONDS)


class Names:
    """Tracking ids of campaigns, looked up once each, for lines that people read."""

    def __init__(self) -> None:
        self._known: dict[UUID, str] = {}

    def of(self, campaign_id: UUID | None) -> str:
        """The campaign's tracking id, else its id, else a dash."""
        if campaign_id is None:
            return "-"
        if campaign_id not in self._known:
            with transaction() as tx:
                row = campaigns.find(tx, str(campaign_id))
            self._known[campaign_id] = row.tracking_id if row and row.tracking_id else ""
        return self._known[campaign_id] or str(campaign_id)


def line(row: EventRow, names: Names) -> str:
    """One event on one line: when, what, which link, where from, worth, and by what."""
    meta = row.metadata if isinstance(row.metadata, dict) else {}
    by = " ".join(
        str(meta[name])
        for name in ("country", "device", "os", "browser")
        if isinstance(meta.get(name), str)
    )
    parts = [
        f"{row.created_at:%Y-%m-%d %H:%M:%S}",
        f"{row.event_type:<10}",
        f"{names.of(row.campaign_id):<12}",
        f"{_one_line(row.source or '-'):<20}",
        "" if row.revenue is None else f"{row.revenue} USD",
        f"bot:{meta['bot']}" if "bot" in meta else "",
        _one_line(by),
        str(meta.get("click_id", "")),
    ]
    return "  ".join(part for part in parts if part)


def _one_line(text: str) -> str:
    """Strangers' text without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
