"""An order's chain as a tree: the click, the sale, and all that followed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from db.history import Click, Owed, Told
from ops.cli.output import short
from rules.history import Entry
from rules.payments import Verdict
from schemas.items import Door
from schemas.receipts import Fact

if TYPE_CHECKING:
    from rich.tree import Tree

# What the flags of reports mean, for people.
FLAGS = {
    "orphan": "what it takes back is not known yet",
    "excess": "more was taken back than was paid",
    "no_rate": "no rate for its currency, so no revenue: `hopfleet rates import`",
    "conflict": "the clicks or campaigns it names contradict one another",
    "outside_window": "its click is older than the campaign's attribution_days",
}
_DID = {
    Verdict.COUNT: "counted",
    Verdict.CORRECT: "corrected the amount",
    Verdict.REVERSE: "took it back",
    Verdict.DUPLICATE: "kept as a duplicate, not counted",
    Verdict.NOTE: "changed nothing",
}
_DOORS: dict[str, str] = {
    Door.PIXEL: "pixel",
    Door.BEACON: "beacon",
    Door.EVENTS: "API",
    Door.CLICKBANK: "INS",
}
_NAMES = {"conversion": "sale"}
_TELLS_AMOUNT = (Verdict.COUNT, Verdict.CORRECT)


class Chain(NamedTuple):
    """An order with its family and all that is known of them."""

    asked: Told
    orders: list[Told]
    entries: dict[int, list[Entry]]
    deliveries: list[Owed]
    click: Click | None
    email: str
    campaigns: dict[UUID, str]  # names


def draw(chain: Chain) -> "Tree":
    """The tree, for `output.print_drawn`."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(f"{chain.asked.receipt} of {chain.email}"))
    trunk = tree.add(Text(_click(chain)))
    branches: dict[str, Tree] = {}
    for order in chain.orders:
        above = branches.get(order.parent or "", trunk)
        branch = branches[order.receipt] = above.add(Text(_order(chain, order)))
        for entry in sorted(chain.entries[order.id], key=_place):
            twig = branch.add(Text(_entry(entry)))
            for line in _notes(entry):
                twig.add(Text(line))
        for owed in chain.deliveries:
            if owed.order_id == order.id:
                branch.add(Text(_delivery(owed)))
    tree.add(Text(f"comes to {_dollars(total(chain))}"))
    return tree


def total(chain: Chain) -> Decimal:
    """What the whole chain has added to revenue."""
    return sum(
        (one.revenue or Decimal() for found in chain.entries.values() for one in found), Decimal()
    )


def _place(entry: Entry) -> int:
    """Sales first, then rebills, then what was taken back, each as it happened."""
    return ("conversion", "rebill", "refund").index(entry.event_type)


def _click(chain: Chain) -> str:
    click_id = chain.asked.click_id or next((o.click_id for o in chain.orders if o.click_id), None)
    if click_id is None:
        return "no click is known"
    if chain.click is None:
        return f"click {click_id}, not stored or archived"
    meta = chain.click.metadata if isinstance(chain.click.metadata, dict) else {}
    told = (chain.click.source, meta.get("country"), meta.get("device"), meta.get("sub1"))
    words = "".join(f", {word}" for word in told if word)
    return f"{chain.click.event_type} {click_id}, {short(chain.click.created_at)}{words}"


def _order(chain: Chain, order: Told) -> str:
    name = f"upsell {order.receipt}" if order.parent else order.receipt
    if order.campaign_id is None:
        return f"{name}: unattributed, follows no campaign"
    campaign = chain.campaigns.get(order.campaign_id, "a deleted campaign")
    return f"{name}: {campaign}, matched by {order.matched_by.replace('_', ' ')}"


def _entry(entry: Entry) -> str:
    name = _NAMES.get(entry.event_type, entry.event_type)
    why = f" ({entry.reason})" if entry.reason not in (None, "", "refund") else ""
    line = f"{name}{why} {entry.receipt}, {short(entry.created_at)}: "
    if entry.counted:
        return line + _dollars(entry.revenue)
    return f"{line}{entry.state}, not counted"


def _notes(entry: Entry) -> Iterator[str]:
    """Who told it, whose amount won, and what is odd about it."""
    telling = [n for n, road in enumerate(entry.roads) if road.verdict in _TELLS_AMOUNT]
    won = telling[-1] if telling and len(entry.roads) > 1 else None
    for place, road in enumerate(entry.roads):
        yield _road(road) + (" ← this amount counts" if place == won else "")
    for flag in entry.flags:
        yield f"! {flag}: {FLAGS[flag]}" if flag in FLAGS else f"! {flag}"


def _road(road: Fact) -> str:
    amount = "no amount" if road.amount is None else f"{road.amount} {road.currency or 'USD'}"
    state = "" if road.state in ("approved", "rebill", "refund") else f", {road.state}"
    return f"by {_DOORS.get(road.door, road.door)}: {amount}{state}, {_DID[Verdict(road.verdict)]}"


def _delivery(owed: Owed) -> str:
    line = f"bonus {owed.name or owed.bonus_id}: {owed.state}"
    if owed.delivered_at is not None:
        line += f", {short(owed.delivered_at)}"
    return line + (f" ({owed.reason})" if owed.reason else "")


def _dollars(amount: Decimal | None) -> str:
    return "revenue unknown" if amount is None else f"{amount:,.2f} USD"
