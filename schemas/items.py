"""What a door puts into the journal: items, several of them in a batch.

A batch is one stream entry with the fields `v` (format version), `id` (UUIDv7 hex, made at the
door, the key of exactly-once), `n` (number of items), `d` (how many of each door, `r:3,p:1`;
entries of release 0.1 have none) and `b` (the items as a JSON array).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

import orjson

from base.ids import is_click_id

# What this release writes; it reads this and the one before. It moves when a release before could
# not read what is written now: a further field, which that one passes over, does not move it.
VERSION = b"1"
READABLE = frozenset({VERSION})


class Door(StrEnum):
    """Where an event came in, as the audit counts it; short, since every item carries it."""

    REDIRECT = "r"
    PIXEL = "p"
    BEACON = "e"
    SCRIPT = "t"
    EVENTS = "events"
    POSTBACK = "postback"
    CLICKBANK = "clickbank"
    STRIPE = "stripe"
    HOOKS = "hooks"
    CLAIM = "claim"
    BONUS = "b"
    UNKNOWN = "?"  # items of release 0.1, and what no door made


class Item(TypedDict):
    """One event on its way to a row of `analytics_events`; all values JSON."""

    id: str  # click id: 32 hex digits, its milliseconds are the row's created_at
    type: str  # click, view, conversion, refund, rebill
    user: str  # owner's UUID
    door: NotRequired[str]  # a Door; items of release 0.1 have none
    campaign: NotRequired[str]  # UUID; absent when only a click id is known
    click: NotRequired[str]  # the click this event refers to, when it is not a click itself
    source: NotRequired[str]
    event_id: NotRequired[str]  # the sender's own id, unique per user
    amount: NotRequired[str]  # decimal string, never negative
    currency: NotRequired[str]  # ISO 4217, upper case; absent means USD
    # Of payments alone:
    integration: NotRequired[str]  # UUID of the network's integration; absent: pixel and API
    receipt: NotRequired[str]  # the network's id of the payment, `-B002` and the like included
    number: NotRequired[str]  # the network's number of this transaction under that receipt
    role: NotRequired[str]  # ClickBank: whose share the amount is
    state: NotRequired[str]  # pending, rejected, chargeback; absent: approved
    reason: NotRequired[str]  # of a refund
    parent: NotRequired[str]  # the receipt this one was an upsell to
    clicks: NotRequired[list[str]]  # further ids that may be the click, as the network told them
    buyer: NotRequired[str]  # the buyer's e-mail, sealed, base64
    duplicates: NotRequired[str]  # what a repeat with another amount does: update, add, ignore
    # Of webhooks and claims alone:
    body: NotRequired[str]  # what stood on the wire
    meta: dict[str, Any]  # becomes `metadata`, after the worker has enriched it


_MOST_EVENT_ID_CHARACTERS = 255
_TEXTS = frozenset(
    {
        "door", "campaign", "click", "source", "event_id", "amount", "currency", "integration",
        "receipt", "number", "role", "state", "reason", "parent", "buyer", "duplicates", "body",
    }
)  # fmt: skip


def fault(item: Any) -> str | None:
    """Why something found in a batch is no item, in a few words; None when it is one.

    A door makes none that are not; what a fault of ours or a damaged disk makes must not stop
    its neighbours.
    """
    if type(item) is not dict:
        return "it is no object"
    for name in ("id", "type", "user"):
        if type(item.get(name)) is not str:
            return f"{name} is missing or no text"
    for name, value in item.items():
        if type(value) is not str and name in _TEXTS:
            return f"{name} is no text"
    if not is_click_id(item["id"]):
        return "id is no click id"
    event_id = item.get("event_id", "")
    if len(event_id) > _MOST_EVENT_ID_CHARACTERS or "\0" in event_id:
        return "event_id cannot be stored"
    return None


def pack(items: list[Item]) -> bytes:
    """The JSON array a batch carries."""
    return orjson.dumps(items)


def unpack(body: bytes) -> list[Item]:
    """The items of a batch; raises `ValueError` when the bytes are not such an array."""
    items = orjson.loads(body)
    if not isinstance(items, list):
        raise ValueError("a batch is an array of items")
    return items


def doors_of(items: Iterable[Any]) -> Counter[str]:
    """How many items came in by each door."""
    return Counter([_door(item) for item in items])


def _door(item: Any) -> str:
    door = item.get("door") if type(item) is dict else None
    return door if isinstance(door, str) else str(Door.UNKNOWN)


def doors_text(doors: Mapping[str, int]) -> str:
    """Counts by door as one word: `r:3,p:1`."""
    return ",".join([f"{door}:{count}" for door, count in doors.items()])


def doors_read(text: str, count: int | None = None) -> dict[str, int]:
    """The counts in such a word; of another release, or damaged: all `count` of no known door."""
    try:
        found = {door: int(n) for door, _, n in (part.partition(":") for part in text.split(","))}
    except ValueError:
        found = {}
    if count is None or sum(found.values()) == count:
        return found
    return {str(Door.UNKNOWN): count}
