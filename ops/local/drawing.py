"""A drawing of what runs where, for 80 columns: `up` shows it once, `status` with numbers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from textwrap import wrap
from urllib.parse import urlsplit

from admin.processes import Running
from base.settings import Settings
from ops.local.leftovers import Child

_WIDTH = 37  # of a box; two stand side by side
_INNER = _WIDTH - 4
_GAP = 5
_MIDDLE = _WIDTH // 2


@dataclass
class Picture:
    """Lines for each box."""

    doors: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    broker: list[str] = field(default_factory=list)
    scheduler: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    database: list[str] = field(default_factory=list)


def picture(
    chosen: Settings, running: Iterable[Running], children: Iterable[Child], says: dict[int, str]
) -> Picture:
    """Who runs: processes that wrote themselves down, and the stores.

    `says` is a word more for a process, by its number.
    """
    pids = {child.name: child.pid for child in children}
    drawn = Picture(
        journal=_store(chosen.journal, pids.get("journal")),
        broker=_store(chosen.broker, pids.get("broker")),
        database=_store(chosen.database, pids.get("postgres")),
    )
    for each in running:
        more = [says[each.pid]] if each.pid in says else []
        where = _where(each)
        if each.role == "ingest":
            drawn.doors += [each.door or "", where, *more]
        elif each.role == "scheduler":
            drawn.scheduler += [where, *more]
        else:
            drawn.workers += [*wrap(" ".join(each.queues), _INNER), f"  {where}"]
            drawn.workers += [f"  {word}" for word in more]
    return drawn


def _store(address: str, pid: int | None) -> list[str]:
    """Host and port alone: the rest of an address is secret."""
    parts = urlsplit(address)
    where = f"{parts.hostname or parts.path}" + (f":{parts.port}" if parts.port else "")
    return [where + (f"  pid {pid}" if pid else "")]


def _where(running: Running) -> str:
    port = f"  admin :{urlsplit(running.admin).port}" if running.admin else ""
    return f"pid {running.pid}{port}"


def draw(of: Picture) -> str:
    """The whole drawing, lines of at most 79 columns."""
    left = [
        *_box("doors", of.doors),
        _centre("┊"),
        *_box("broker: “look there”", of.broker),
        _centre("▲"),
        *_box("scheduler", of.scheduler),
    ]
    right = [
        *_box("journal, on disk", of.journal),
        _centre("▼"),
        *_box("workers", of.workers),
        _centre("▼"),
        *_box("PostgreSQL", of.database),
    ]
    right += [""] * (len(left) - len(right))
    left += [" " * _WIDTH] * (len(right) - len(left))
    arrows = {1: " ──► ", _row_of(left, "broker"): " ┄┄► "}
    rows = [
        f"{one}{arrows.get(number, ' ' * _GAP)}{other}".rstrip()
        for number, (one, other) in enumerate(zip(left, right, strict=True))
    ]
    return "\n".join([_centre("│ visitors, pages, servers").rstrip(), *rows])


def _row_of(lines: list[str], title: str) -> int:
    return next(number for number, line in enumerate(lines) if f" {title}" in line) + 1


def _box(title: str, lines: list[str]) -> list[str]:
    inside = [line[:_INNER] for line in lines] or ["none here"]
    return [
        f"┌─ {title} ".ljust(_WIDTH - 1, "─") + "┐",
        *(f"│ {line:<{_INNER}} │" for line in inside),
        "└" + "─" * (_WIDTH - 2) + "┘",
    ]


def _centre(sign: str) -> str:
    return (" " * _MIDDLE + sign).ljust(_WIDTH)
