"""From Stripe's subscriptions to the states that are kept of them."""

from datetime import datetime
from typing import Any

from db.billing import StateRow
from integrations.stripe import Told
from schemas.stripe import Event
from schemas.stripe_objects import subscription


def state_of(told: dict[str, Any], made_at: datetime, event: str) -> StateRow | None:
    """What a subscription was at that moment; None when it is no subscription."""
    found = subscription(told)
    if found is None:
        return None
    return StateRow(
        found.customer, found.id, event, made_at, found.status, found.prices, found.begun_at,
        found.trial_end, found.ended_at,
    )  # fmt: skip


def told_by(event: Event) -> list[StateRow]:
    """The subscription in a message, as it was when the message was made."""
    if event.thin or not event.type.startswith("customer.subscription."):
        return []  # of a thin event's object nobody knows when it was so
    found = state_of(event.object, event.created, event.id)
    return [found] if found is not None else []


def answered(customer: str, told: Told, number: int) -> list[StateRow]:
    """An answer's subscriptions; `~` sorts them behind events of the same second."""
    found = [state_of(one, told.at, f"~{number:019d}") for one in told.objects]
    return [one for one in found if one is not None and one.customer_id == customer]
