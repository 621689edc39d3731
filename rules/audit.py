"""The audit's arithmetic: what doors acked must be rows, held, waiting, or gone with a reason."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

Place = tuple[int, str]  # minute since 1970, door
Ended = tuple[int, str, str]  # minute, door, outcome

UNTOLD = "?"  # items of no door that counts: an older release's


class Line(NamedTuple):
    """One door during one minute, in items; `minute` since 1970, 0 in a sum.

    acked = stored + duplicate + gone + discarded + dead + deferred + waiting + elsewhere +
    missing - surplus, give or take `unanswered`: those whose clients were told nothing, because
    the door died or could not know. `elsewhere` is what may lie in another host's spool.
    """

    minute: int
    door: str
    acked: int
    stored: int
    duplicate: int
    gone: int
    discarded: int
    dead: int
    deferred: int
    waiting: int
    elsewhere: int
    unanswered: int
    dropped: int
    missing: int
    surplus: int


def balance(
    told: Mapping[Place, tuple[int, int, int, int]],
    found: Mapping[Ended, int],
    elsewhere_since: int | None,
) -> list[Line]:
    """A line for each minute and door, in order.

    `told` are (offered, acked, refused, dropped); `found` counts items by how they ended or
    where they lie; from minute `elsewhere_since` on, a missing item may lie on another host.
    """
    places = {*told, *((minute, door) for minute, door, _ in found)}
    return [
        _line(place, told.get(place), Counter(_of(place, found)), elsewhere_since)
        for place in sorted(places)
    ]


def _of(place: Place, found: Mapping[Ended, int]) -> dict[str, int]:
    return {word: found[*place, word] for word in _WORDS if (*place, word) in found}


_WORDS = ("stored", "duplicate", "gone", "discarded", "dead", "deferred", "waiting")


def _line(
    place: Place,
    told: tuple[int, int, int, int] | None,
    found: Counter[str],
    elsewhere_since: int | None,
) -> Line:
    offered, acked, refused, dropped = told or (0, 0, 0, 0)
    accounted = sum(found.values())
    missing, surplus = max(0, acked - accounted), max(0, accounted - offered + refused)
    if place[1] == UNTOLD:
        missing = surplus = 0
    elsewhere = 0
    if elsewhere_since is not None and place[0] >= elsewhere_since:
        elsewhere, missing = missing, 0
    counts = [*(found[word] for word in _WORDS), elsewhere]
    ends = [offered - acked - refused, dropped, missing, surplus]
    return Line._make([*place, acked, *counts, *ends])


def sums(lines: Iterable[Line], doors: Collection[str] | None = None) -> list[Line]:
    """One line a door, over all minutes."""
    by_door: dict[str, list[int]] = {}
    for line in lines:
        if doors is None or line.door in doors:
            sofar = by_door.setdefault(line.door, [0] * (len(Line._fields) - 2))
            for place, count in enumerate(line[2:]):
                sofar[place] += count
    return [Line._make([0, door, *counts]) for door, counts in sorted(by_door.items())]
