"""What comes in that is no event yet: each kind of item has somebody who takes it in."""

from collections.abc import Callable

from db.connection import Tx
from schemas.items import fault
from workers import stripe_inbox
from workers.outcome import Found, Outcome

# Takes in the items of its type, within the drain's transaction; returns what became an event's
# item, and says of all others in the outcome how they ended.
Take = Callable[[Tx, list[Found], Outcome], list[Found]]

TAKES: dict[str, Take] = {"stripe": stripe_inbox.take}


def take(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Hand each item to whom its type belongs; returns items that are to become rows.

    One that nobody takes is an item like any other: whoever writes rows will say what it lacks.
    """
    events: list[Found] = []
    taken: dict[str, list[Found]] = {}
    for one in found:
        if fault(one.item) is None and one.item["type"] in TAKES:
            taken.setdefault(one.item["type"], []).append(one)
        else:
            events.append(one)
    for kind in sorted(taken):
        events += TAKES[kind](tx, taken[kind], outcome)
    return events
