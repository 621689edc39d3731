"""From a line of an access log to a click, the same one whenever the line is read again."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import unquote

from base.errors import Refused
from db.links import LinkRow
from rules import access_log, addresses, query
from rules.access_log import Visit
from rules.source import click_metadata, source
from rules.times import iso, to_ms
from schemas.items import Item

_MOST_ID_CHARACTERS = 50
_REMEMBERED = 500_000  # lines a generation: 100 MB at most, whatever the size of the log


class Asked(NamedTuple):
    """A line that asks for a tracking link."""

    number: int
    line: bytes
    visit: Visit
    tracking_id: str
    query: dict[str, str]


@dataclass(frozen=True)
class Wanted:
    """Which lines are clicks: paths that begin with `prefix`, the tracking id behind it.

    With a `tracking_id` all of them are clicks of that one.
    """

    prefix: str = "/r/"
    tracking_id: str | None = None

    def read(self, number: int, line: bytes) -> Asked | None:
        """The click in a line, None when it is something else; `Refused` for a bad line."""
        visit = access_log.read(line.decode("utf-8", "replace"))
        # HEAD records nothing at the doors either, and what failed led nobody anywhere.
        if visit.method != "GET" or (visit.status or 0) >= 400:
            return None
        path, _, asked = visit.target.partition("?")
        if not path.startswith(self.prefix):
            return None
        found = self.tracking_id or unquote(path[len(self.prefix) :]).rstrip("/")
        if not 0 < len(found) <= _MOST_ID_CHARACTERS or "\0" in found:
            raise Refused("The path holds no tracking id.")
        return Asked(number, line, visit, found, query.parse(asked.encode("utf-8", "replace")))


class Repeats:
    """Counts identical lines: two visitors behind one address may well click in one second.

    Remembers the last half a million lines or more; logs are written in the order of time, so
    that identical lines, which share their second, stand close together.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._most = remembered
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def count(self, line: bytes) -> int:
        """How many identical lines came before this one."""
        key = blake2b(line, digest_size=16).digest()
        before = self._young.get(key, self._old.get(key, 0))
        self._young[key] = before + 1
        if len(self._young) >= self._most:
            self._young, self._old = {}, self._young
        return before


def click_id(ms: int, user_id: str, tracking_id: str, line: bytes, repeat: int) -> str:
    """A UUIDv7 in hex whose random part is the line's hash: the same line, the same click."""
    known = b"\0".join((user_id.encode(), tracking_id.encode(), b"%d" % repeat, line))
    digest = blake2b(known, digest_size=10, person=b"hopfleet import").hexdigest()
    variant = "89ab"[int(digest[3], 16) & 3]
    return f"{ms:012x}7{digest[:3]}{variant}{digest[4:19]}"


def item(asked: Asked, link: LinkRow, repeat: int, secret: bytes, arrived: datetime) -> Item:
    """The click as a door would have made it then; `arrived` is now."""
    visit = asked.visit
    ms = to_ms(visit.time)
    meta: dict[str, Any] = click_metadata(asked.query)
    meta["received_at"] = iso(arrived)
    meta["ip"] = addresses.truncate(visit.address)
    agent = (visit.user_agent or "")[:1000]
    day = f"{visit.time:%Y-%m-%d}"
    meta["visitor"] = addresses.visitor(secret, day, link.user_id, visit.address, agent)
    if agent or b'" "' in asked.line:  # the common format has none, which says nothing
        meta["ua"] = agent
    referrer = addresses.referrer(visit.referrer)
    if referrer:
        meta["referrer"] = referrer
    made: Item = {
        "id": click_id(ms, link.user_id, asked.tracking_id, asked.line, repeat),
        "type": "click",
        "user": link.user_id,
        "campaign": link.campaign_id,
        "meta": meta,
    }
    name, cut = source(asked.query, referrer)
    if name:
        made["source"] = name
        if cut:
            meta["source_cut"] = True
    return made
