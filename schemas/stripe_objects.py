"""What is read of Stripe's objects, in the shapes of all API versions that are about.

Until 2025-03-31.basil an item had a `plan` where it has a `price` now, an invoice its subscription
at the top, and a subscription its period; of all that we need ids alone.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from schemas.stripe import id_of, items_of, moment, text_of


class Subscription(NamedTuple):
    """A subscription as a message or an answer shows it."""

    id: str
    customer: str
    status: str
    prices: list[dict[str, str | None]]
    begun_at: datetime | None
    trial_end: datetime | None
    ended_at: datetime | None
    user: str | None  # our user's id, as whoever made the subscription left it in its metadata


class Price(NamedTuple):
    """A price, or a product of which only the tier is known."""

    id: str
    lookup: str | None
    product: str | None
    tier: str | None
    period: str | None


def subscription(told: dict[str, Any]) -> Subscription | None:
    """A subscription; None when it is none, or lacks what every one has."""
    id_, customer, status = id_of(told.get("id")), customer_of(told), text_of(told, "status")
    if id_ is None or customer is None or status is None:
        return None
    parts = items_of(told.get("items")) or [told]  # very old: one plan, at the top
    return Subscription(
        id_, customer, status[:100],
        [fact for part in parts if (fact := _price_fact(part)) is not None],
        moment(told.get("created")) or moment(told.get("start_date")),
        moment(told.get("trial_end")),
        moment(told.get("ended_at")) or moment(told.get("canceled_at")),
        user_of(told),
    )  # fmt: skip


def customer_of(told: dict[str, Any]) -> str | None:
    """The customer an object is about, itself included."""
    return (
        id_of(told.get("id")) if told.get("object") == "customer" else id_of(told.get("customer"))
    )


def user_of(told: dict[str, Any]) -> str | None:
    """Our user's id in an object's metadata, which only the account's owner can write."""
    return _uuid(text_of(told.get("metadata"), "user_id"))


def reference_of(told: dict[str, Any]) -> str | None:
    """Our user's id as a checkout's reference, which with a payment link anybody can write."""
    return _uuid(text_of(told, "client_reference_id"))


def price(told: dict[str, Any]) -> Price | None:
    """A price, its product's tier included where the product is expanded."""
    if (id_ := id_of(told.get("id"))) is None:
        return None
    product = told.get("product")
    tier = tier_in(told) or (tier_in(product) if isinstance(product, dict) else None)
    period = text_of(told.get("recurring"), "interval") or text_of(told, "interval")
    return Price(id_, text_of(told, "lookup_key"), id_of(product), tier, period)


def tier_in(told: dict[str, Any]) -> str | None:
    """The tier in an object's metadata."""
    found = text_of(told.get("metadata"), "tier")
    return found[:50] if found else None


def _price_fact(part: dict[str, Any]) -> dict[str, str | None] | None:
    told = part.get("price") or part.get("plan")
    if isinstance(told, str):
        told = {"id": told}
    found = price(told) if isinstance(told, dict) else None
    if found is None:
        return None
    return {"id": found.id, "lookup": found.lookup, "product": found.product, "tier": found.tier}


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
