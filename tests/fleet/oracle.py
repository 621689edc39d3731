"""The oracle: holds what the doors promised against what is stored, as sets of marks."""

from typing import NamedTuple

from tests.fleet.fleet import Fleet
from tests.fleet.traffic import Traffic


class Verdict(NamedTuple):
    """What is not as it must be; `sound` when nothing is."""

    acked: int  # events that were promised, each counted once
    stored: int
    lost: set[str]  # promised, and no row
    twice: set[str]  # more rows than one
    strange: set[str]  # a row of another type, or under a click id that nobody was told
    extra: set[str]  # a row, though an answer came and promised nothing
    wrong: list[str]  # answers that no door may give
    dead: list[tuple[str, str]]

    @property
    def sound(self) -> bool:
        """Whether all is as promised."""
        return not (
            self.lost or self.twice or self.strange or self.extra or self.wrong or self.dead
        )


def judge(fleet: Fleet, traffic: Traffic) -> Verdict:
    """Compare; call it when the traffic has stopped and the fleet is drained."""
    rows = fleet.sql(
        "SELECT metadata->>'sub1', metadata->>'click_id', event_type FROM analytics_events"
        " WHERE user_id = ANY(%s)", [owner.user_id for owner in traffic.owners],
    )  # fmt: skip
    stored: dict[str, list[tuple[str, str]]] = {}
    for mark, click_id, event_type in rows:
        stored.setdefault(mark, []).append((click_id, event_type))
    return Verdict(
        acked=len(traffic.told),
        stored=len(rows),
        lost=traffic.told.keys() - stored.keys(),
        twice={mark for mark, found in stored.items() if len(found) > 1},
        strange={mark for mark, found in stored.items() if _strange(traffic, mark, *found[0])},
        extra=stored.keys() - traffic.told.keys() - traffic.unsure,
        wrong=traffic.wrong[:5],
        dead=fleet.dead(),
    )


def _strange(traffic: Traffic, mark: str, click_id: str, event_type: str) -> bool:
    if mark.partition("-")[0] != event_type:
        return True
    # One attempt that nobody answered may be the one that is stored.
    return mark not in traffic.unsure and click_id not in traffic.told.get(mark, ())
