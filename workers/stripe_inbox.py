"""Stripe's messages on their way from the journal into the inbox."""

from db import webhooks
from db.connection import Tx
from db.webhooks import Arrival
from schemas import stripe
from workers.outcome import Found, Outcome


def take(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Keep messages in the inbox, each once; none of them is an event."""
    arrivals: dict[str, tuple[Found, Arrival]] = {}
    for one in found:
        try:
            event = stripe.read(one.item.get("body", ""))
        except ValueError as error:
            outcome.bury(one, "unreadable", str(error)[:200])
            continue
        arrival = Arrival(
            "pending", None, None, "stripe", event.id, None, None, event.type, None,
            one.item["body"].encode(), event.created,
        )  # fmt: skip
        if event.id in arrivals:
            _repeated(one, outcome)
        else:
            arrivals[event.id] = one, arrival
    new = webhooks.take(tx, [arrival for _, arrival in arrivals.values()])
    for event_id, (one, _) in arrivals.items():
        if ("stripe", event_id) in new:
            outcome.end([one], "stored")
        else:
            _repeated(one, outcome)
    return []


def _repeated(one: Found, outcome: Outcome) -> None:
    outcome.duplicates += 1
    outcome.end([one], "duplicate")
