"""What a network's list of orders has and our ledger lacks, and where the two contradict."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from rules.payments import Payment
from schemas.items import Door, Item

Key = tuple[str, str, str]  # receipt, type, role

AMOUNT, UNKNOWN_THERE = "amount", "unknown_there"


class Difference(NamedTuple):
    """A payment of which the network says something else than we have; amounts in dollars."""

    kind: str  # amount, unknown_there
    receipt: str
    type: str
    role: str
    ours: str | None
    theirs: str | None


def key_of(item: Item) -> Key:
    """What an order's payment is known by."""
    return item["receipt"], item["type"], item.get("role", "")


def compare(
    items: Iterable[Item], known: Mapping[str, Iterable[Payment]]
) -> tuple[list[Item], list[Difference]]:
    """Payments that no notification has told, and those told with another amount.

    `known` are payments by receipt. Several refunds of one receipt are told apart by their
    moments and amounts; each that we have stands for one of the network's.
    """
    missing: list[Item] = []
    differences: list[Difference] = []
    used: set[str] = set()
    for item in items:
        ours = [one for one in known.get(item["receipt"], ()) if one.event_id not in used]
        found = _find(item, [one for one in ours if _may_be(item, one)])
        if found is None:
            missing.append(item)
            continue
        used.add(found.event_id)
        theirs = Decimal(item["amount"]) if "amount" in item else None
        if theirs is not None and found.amount is not None and abs(found.amount) != theirs:
            differences.append(
                Difference(AMOUNT, *key_of(item), f"{abs(found.amount):f}", f"{theirs:f}")
            )
    return missing, differences


def _may_be(item: Item, one: Payment) -> bool:
    """Whether a notification of this integration has told of such a payment."""
    role = item.get("role", "")
    return (
        one.type == item["type"]
        and one.receipt == item["receipt"]
        and Door.CLICKBANK in one.doors
        and not (one.integrations and item["integration"] not in one.integrations)
        and not (one.role and role and one.role != role)
    )


def _find(item: Item, found: list[Payment]) -> Payment | None:
    if item["type"] != "refund":
        return found[0] if found else None
    moment = item["number"].rpartition("/")[0]
    same = [one for one in found if any(n.rpartition("/")[0] == moment for n in one.numbers)]
    amount = Decimal(item["amount"]) if "amount" in item else None
    same += [one for one in found if one.amount is not None and abs(one.amount) == amount]
    return same[0] if same else None
