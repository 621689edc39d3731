"""A payment's item in our hands: what it says, read once, before anything is decided."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from base.errors import Permanent
from base.ids import is_click_id, time_of
from db.orders import Key
from rules import money
from rules.attribution import NOTHING, Match, normal
from rules.payments import APPROVED, PENDING, REJECTED, base_of
from schemas.items import Item
from schemas.receipts import Report
from workers.outcome import Found

_LONGEST_RECEIPT = 255
_STATES = {"chargeback": "chargeback", PENDING: PENDING, REJECTED: REJECTED}
_USUAL_STATE = {"conversion": APPROVED, "rebill": "rebill", "refund": "refund"}


@dataclass(slots=True)
class Case:
    """One report of a payment; ids as text."""

    found: Found
    user: str
    campaign: str | None  # as told
    report: Report
    key: Key  # of its order
    parent: Key | None  # the order it was an upsell to
    candidates: list[str]  # ids of ours that may be the click
    at: datetime
    amount: Decimal | None  # signed, of its own currency
    currency: str
    named: bool  # whether the sender gave a receipt
    meta: dict[str, Any] = field(default_factory=dict)  # beyond the item's own
    dollars: Decimal | None = None  # signed
    match: Match = NOTHING

    @property
    def is_foreign(self) -> bool:
        """Whether its amount is not in dollars."""
        return self.amount is not None and self.currency != "USD"

    @property
    def item(self) -> Item:
        """The item as it came."""
        return self.found.item


def read(found: Found) -> Case:
    """What an item says; raises `Permanent` when it is no payment's."""
    item = found.item
    try:
        user = str(UUID(item["user"]))
        campaign = str(UUID(item["campaign"])) if "campaign" in item else None
        integration = str(UUID(item["integration"])) if "integration" in item else None
        told = [item["click"]] if "click" in item else []
        candidates = _clicks([*told, *item.get("clicks", [])])
        meta = item["meta"]
        receipt = item.get("receipt") or meta.get("order_id") or meta.get("receipt") or ""
        amount = money.amount(item["amount"]) if "amount" in item else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Permanent(f"not an item: {type(error).__name__}") from error
    if not isinstance(receipt, str) or len(receipt) > _LONGEST_RECEIPT or "\0" in receipt:
        raise Permanent("not an item: its receipt cannot be stored")
    named = bool(receipt)
    if not named:
        receipt = f"click:{told[0]}" if told else item["id"]
    number = item.get("number") or ""
    if not number and item["type"] != "conversion":
        number = item.get("event_id") or ""
    report = Report(
        integration, receipt, item["type"], _state(item), number[:_LONGEST_RECEIPT],
        item.get("role") or "", item.get("door") or "?", amount,
        item.get("currency") or "USD", candidates[0] if candidates else None, time_of(item["id"]),
    )  # fmt: skip
    parent = item.get("parent")
    return Case(
        found, user, campaign, report, (user, base_of(receipt) if named else receipt),
        (user, base_of(parent)) if parent and parent != receipt else None,
        candidates, time_of(item["id"]),
        None if amount is None else money.signed(item["type"], amount),
        item.get("currency") or "USD", named,
    )  # fmt: skip


def _state(item: Item) -> str:
    return _STATES.get(item.get("state") or "") or _USUAL_STATE[item["type"]]


def _clicks(told: Iterable[Any]) -> list[str]:
    """Those that can be ids of ours, each once, in the order they were told."""
    normals = (normal(one) for one in told if isinstance(one, str))
    return list(dict.fromkeys(one for one in normals if is_click_id(one)))
