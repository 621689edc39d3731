"""Traffic: every kind of work at once, each event marked, and what the doors said about each mark.

A mark travels as `sub1` and ends in the row's metadata: `conversion-118.2` is the third event of
request 118. Events with an `event_id` are sent again, at once and much later, under the same mark.
A later door plugs in as one more entry of `_TURN`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from tests.fleet.fleet import Fleet
from tests.fleet.visitors import Visitors, post

_AGAIN_AFTER = 400  # requests between a batch and its repeat
# Redirects and pixels may have to answer unrecorded; 503 means "unknown, send it again".
_UNRECORDED = (200, 204, 302, 503)
_NDJSON = "Content-Type: application/x-ndjson\r\n"

# None stands where an event must be refused; its neighbours must not suffer.
Marks = tuple[str | None, ...]


class Tenant(NamedTuple):
    """Who owns events, and how they are reached."""

    user_id: Any
    campaign_id: Any
    tracking_id: str
    bearer: str  # a whole header line


class Asked(NamedTuple):
    """One request and the events in it."""

    request: bytes
    marks: Marks


def tenants(fleet: Fleet) -> tuple[Tenant, ...]:
    """Two new ones, so that one's trouble can be told from the other's."""
    made = [fleet.campaign() for _ in range(2)]
    return tuple(
        Tenant(
            each["user_id"], each["id"], each["tracking_id"],
            "".join(f"{name}: {value}\r\n" for name, value in fleet.key(each["user_id"]).items()),
        )
        for each in made
    )  # fmt: skip


def number_of(mark: str) -> int:
    """The request that a mark was first sent with."""
    return int(mark.partition("-")[2].partition(".")[0])


class Traffic(Visitors):
    """Visitors of every door while the block lasts, and what they were told, by mark."""

    def __init__(
        self, port: int, owners: tuple[Tenant, ...], *, connections: int = 32,
        pause_seconds: float = 0.05,
    ) -> None:  # fmt: skip
        super().__init__(port, self._whole, connections=connections, pause_seconds=pause_seconds)
        self.owners = owners
        self.told: dict[str, set[str]] = {}  # mark → click ids that were promised for it
        self.unsure: set[str] = set()  # sent, and an answer was "unknown, send it again" or none
        self.wrong: list[str] = []  # answers that no door may give
        self.newest = 0  # the highest number of a request that was acked
        self.a_click: dict[str, str] = {}  # tracking id → a click id that was acked
        self._marks: dict[int, Marks] = {}

    def _whole(self, number: int) -> bytes:
        owner = self.owners[number // len(_TURN) % len(self.owners)]
        asked = _TURN[number % len(_TURN)](self, owner, number)
        self._marks[number] = asked.marks
        return asked.request

    def lost(self, number: int) -> None:
        """Whether these events are stored nobody was told."""
        super().lost(number)
        self.unsure.update(mark for mark in self._marks.pop(number) if mark)

    def answered(self, number: int, head: bytes, whole: bytes) -> None:
        """Write down what was promised, event by event."""
        self.in_flight -= 1
        marks, status = self._marks.pop(number), int(head[9:12])
        told = _told(status, head, whole)
        if told is None:
            self.refused[head[9:12]] += 1
            self.unsure.update(mark for mark in marks if mark)
            if status not in _UNRECORDED:
                self.wrong.append(whole.decode(errors="replace"))
            return
        self.newest = max(self.newest, number)
        for mark, click_id in zip(marks, told, strict=True):
            if (mark is None) != (click_id is None):
                self.wrong.append(f"{mark}: {whole.decode(errors='replace')}")
            elif mark and click_id:
                self.told.setdefault(mark, set()).add(click_id)
                if mark.startswith("click-") and "." not in mark:
                    self.a_click[self._owner(mark).tracking_id] = click_id

    def _owner(self, mark: str) -> Tenant:
        return self.owners[number_of(mark) // len(_TURN) % len(self.owners)]


def _told(status: int, head: bytes, whole: bytes) -> list[str | None] | None:
    """The click id promised for each event, None for a refused one; None when nothing was."""
    if status == 202:
        results = orjson.loads(whole[len(head) + 4 :])["results"]
        return [each.get("click_id") for each in results]
    _, found, rest = head.partition(b"\r\nX-Click-Id: ")
    return [rest[:32].decode()] if found else None


# --- the kinds of work


def _get(path: str, mark: str) -> Asked:
    joint = "&" if "?" in path else "?"
    return Asked(f"GET {path}{joint}sub1={mark} HTTP/1.1\r\nHost: t\r\n\r\n".encode(), (mark,))


def _click(_: Traffic, owner: Tenant, number: int) -> Asked:
    return _get(f"/r/{owner.tracking_id}", f"click-{number}")


def _view(_: Traffic, owner: Tenant, number: int) -> Asked:
    return _get(f"/p/{owner.tracking_id}.gif", f"view-{number}")


def _pixel_sale(_: Traffic, owner: Tenant, number: int) -> Asked:
    path = f"/p/{owner.tracking_id}.gif?event=conversion&order_id=p{number}&amount=1.50"
    return _get(path, f"conversion-{number}")


def _beacon(_: Traffic, owner: Tenant, number: int) -> Asked:
    mark = f"view-{number}"
    return Asked(post(f"/e/{owner.tracking_id}", "", f'{{"sub1":"{mark}"}}'), (mark,))


def _event(owner: Tenant, mark: str, **fields: Any) -> dict[str, Any]:
    event = {
        "type": mark.partition("-")[0], "tracking_id": owner.tracking_id, "sub1": mark,
        "event_id": mark, **fields,
    }  # fmt: skip
    if event["type"] == "conversion":
        event |= {"amount": "1.50", "order_id": mark}
    return event


def _one_event(_: Traffic, owner: Tenant, number: int) -> Asked:
    mark = f"conversion-{number}"
    body = orjson.dumps(_event(owner, mark)).decode()
    return Asked(post("/v1/events", owner.bearer, body), (mark,))


def _sale_of_a_click(traffic: Traffic, owner: Tenant, number: int) -> Asked:
    """A conversion that only names a click; it may still be in the journal."""
    if (click_id := traffic.a_click.get(owner.tracking_id)) is None:
        return _one_event(traffic, owner, number)
    mark = f"conversion-{number}"
    event = _event(owner, mark, click_id=click_id)
    del event["tracking_id"]
    return Asked(post("/v1/events", owner.bearer, orjson.dumps(event).decode()), (mark,))


def _lines(_: Traffic, owner: Tenant, number: int) -> Asked:
    """NDJSON: clicks and conversions around one line that must be refused."""
    marks = [f"{kind}-{number}.{at}" for at, kind in enumerate(("click", "conversion") * 2)]
    lines = [orjson.dumps(_event(owner, mark)).decode() for mark in marks]
    lines.insert(2, '{"type":"no such type"}')
    body = "\n".join(lines)
    return Asked(post("/v1/events", owner.bearer + _NDJSON, body), (*marks[:2], None, *marks[2:]))


def _array(_: Traffic, owner: Tenant, number: int) -> Asked:
    """An array in which one event stands twice."""
    marks = [f"conversion-{number}.{at}" for at in (0, 1, 1)]
    body = orjson.dumps([_event(owner, mark) for mark in marks]).decode()
    return Asked(post("/v1/events", owner.bearer, body), tuple(marks))


Kind = Callable[[Traffic, Tenant, int], Asked]


def _again(kind: Kind, before: int) -> Kind:
    """What was sent `before` requests ago, word for word."""

    def ask(traffic: Traffic, owner: Tenant, number: int) -> Asked:
        return kind(traffic, owner, number - before)

    return ask


# Mostly clicks. A request and its repeat stand in the same turn of the same owner.
_TURN: tuple[Kind, ...] = (
    *[_click] * 8, _view, _view, _pixel_sale, _beacon, _beacon, _one_event,
    _again(_one_event, 1), _sale_of_a_click, _lines, _array, _again(_lines, 2),
    _again(_array, 2 + _AGAIN_AFTER),
)  # fmt: skip
