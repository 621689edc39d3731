"""Gathering: facts that fire a workflow together, after a silence, a time, or so many of them.

Of what is gathered the number is exact, and the last hundred facts are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

MOST_EVENTS = 100
_MOST_DEBOUNCES = 10  # a stream without a pause would never fire


class Controls(Protocol):
    """What a trigger says of gathering; None where it says nothing."""

    @property
    def debounce_seconds(self) -> float | None: ...
    @property
    def throttle_seconds(self) -> float | None: ...
    @property
    def batch(self) -> int | None: ...
    @property
    def batch_seconds(self) -> float | None: ...


class Gathered(NamedTuple):
    """A fact that waits with others; `data` is what conditions and templates see."""

    id: int
    depth: int
    campaign_id: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gather:
    """What waits; `due_at` is None when nothing does, or only more of it fires."""

    number: int = 0
    events: tuple[Gathered, ...] = ()
    first_at: datetime | None = None
    fired_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """A run that is to be: of how many facts, and the last of them."""

    number: int
    events: tuple[Gathered, ...] = field(default=())

    @property
    def last(self) -> Gathered:
        """The newest fact."""
        return self.events[-1]

    @property
    def depth(self) -> int:
        """That of the deepest of its causes."""
        return max(one.depth for one in self.events)


def is_plain(controls: Controls) -> bool:
    """Whether each fact fires by itself."""
    return not (controls.debounce_seconds or controls.throttle_seconds or controls.batch)


def take(
    controls: Controls, gather: Gather, new: Sequence[Gathered], now: datetime
) -> tuple[Gather, list[Firing]]:
    """Add facts one by one: what waits then, and what fires at once."""
    fired: list[Firing] = []
    for one in new:
        gather = replace(
            gather,
            number=gather.number + 1,
            events=tuple(sorted((*gather.events, one), key=lambda e: e.id)[-MOST_EVENTS:]),
            first_at=gather.first_at or now,
        )
        if _is_full(controls, gather, now):
            fired.append(Firing(gather.number, gather.events))
            gather = Gather(fired_at=now)
    return replace(gather, due_at=_due_at(controls, gather, now)), fired


def fire(gather: Gather, now: datetime) -> tuple[Gather, list[Firing]]:
    """The time has come: all of it fires."""
    fired = [Firing(gather.number, gather.events)] if gather.events else []
    return Gather(fired_at=now if fired else gather.fired_at), fired


def _is_full(controls: Controls, gather: Gather, now: datetime) -> bool:
    if controls.batch:
        return gather.number >= controls.batch
    if controls.throttle_seconds and not controls.debounce_seconds:
        since = gather.fired_at
        return gather.number == 1 and (
            since is None or since + timedelta(seconds=controls.throttle_seconds) <= now
        )
    return False


def _due_at(controls: Controls, gather: Gather, now: datetime) -> datetime | None:
    """When what waits is to fire, however little it is."""
    if not gather.number or gather.first_at is None:
        return None
    if controls.batch:
        seconds = controls.batch_seconds
        return gather.first_at + timedelta(seconds=seconds) if seconds else None
    quiet = None
    if controls.debounce_seconds:
        wait = timedelta(seconds=controls.debounce_seconds)
        quiet = min(now + wait, gather.first_at + _MOST_DEBOUNCES * wait)
    if controls.throttle_seconds and gather.fired_at is not None:
        free = gather.fired_at + timedelta(seconds=controls.throttle_seconds)
        return max(free, quiet) if quiet else free
    return quiet or now
