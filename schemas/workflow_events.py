"""Facts that workflows listen to: what conditions and templates find under `event`.

Amounts are decimal texts in the data; `seen` makes them the numbers that conditions compare.
Nothing of a customer's name or address is ever among them.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class Kind(StrEnum):
    """What can happen."""

    CLICK = "click"
    CONVERSION = "conversion"
    REFUND = "refund"
    REBILL = "rebill"
    BONUS_DELIVERED = "bonus_delivered"
    CONTENT_PUBLISHED = "content_published"
    SUBSCRIPTION_CHANGED = "subscription_changed"
    PRODUCT_CHANGED = "product_changed"
    GRAVITY_CROSSED = "gravity_crossed"
    COMMISSION_CHANGED = "commission_changed"
    PRODUCT_VANISHED = "product_vanished"
    PRODUCT_RETURNED = "product_returned"
    HOOK = "hook"


# Of a click's or payment's metadata what their facts hand on; no address, no user agent.
HANDED_ON = (
    *(f"sub{number}" for number in range(1, 21)),
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    "country", "device", "os", "browser",
)  # fmt: skip

AMOUNTS = frozenset(
    {
        "revenue", "amount", "commission_rate", "commission_amount", "initial_sale_amount",
        "gravity", "refund_rate", "threshold",
    }
)  # fmt: skip


_WITH_BEFORE = (Kind.PRODUCT_CHANGED, Kind.GRAVITY_CROSSED, Kind.COMMISSION_CHANGED)


class Happened(BaseModel):
    """What every fact has; times are ISO 8601 in UTC."""

    model_config = ConfigDict(extra="allow")

    type: str
    id: str = Field(description="Of what it happened to: a click, payment, post, product.")
    occurred_at: str


class Visit(Happened):
    """What clicks and payments have in common, as far as it is known."""

    campaign_id: str | None = None
    click_id: str | None = None
    source: str | None = None
    country: str | None = None
    device: str | None = None
    os: str | None = None
    browser: str | None = None
    utm_source: str | None = None
    sub1: str | None = Field(None, description="And so on, to sub20.")


class Click(Visit):
    """A person followed a link: no bot, and no repeat."""

    type: Literal["click"]


class Payment(Visit):
    """A sale, rebill or refund was counted, and somebody trusted has told it."""

    type: Literal["conversion", "rebill", "refund"]
    revenue: str | None = Field(None, description="Dollars; below zero when taken back.")
    amount: str | None = Field(None, description="As the network told it, in its currency.")
    currency: str = "USD"
    receipt: str | None = None
    order_id: str | None = Field(None, description="The same as the receipt.")
    role: str | None = None
    reason: str | None = Field(None, description="Of a refund.")
    trust: str = Field(description="ins, postback or api.")
    orphan: bool = Field(False, description="Whether the payment it refunds is unknown.")


class BonusDelivered(Happened):
    """A buyer's bonus was handed over, for the first time."""

    type: Literal["bonus_delivered"]
    campaign_id: str | None = None
    bonus_id: str
    bonus: str | None = Field(None, description="Its name.")
    method: str = Field(description="email or download.")
    receipt: str
    order_id: str
    click_id: str | None = None
    source: str | None = None


class ContentPublished(Happened):
    """A post became published, whoever changed it."""

    type: Literal["content_published"]
    campaign_id: str | None = None
    content_type: str
    title: str | None = None
    body: str = Field(description="Its first 10,000 characters.")
    published_at: str


class SubscriptionChanged(Happened):
    """The account's status or tier is another."""

    type: Literal["subscription_changed"]
    status: str
    status_before: str
    tier: str
    tier_before: str
    trial_ends_at: str | None = None


class OfProduct(Happened):
    """What products' events have in common; the product as it is now."""

    campaign_id: str | None = Field(None, description="Of each of the owner's that has it.")
    clickbank_id: str
    title: str
    vendor: str
    category: str | None = None
    gravity: str | None = None
    commission_rate: str | None = None
    commission_amount: str | None = None
    initial_sale_amount: str | None = None
    refund_rate: str | None = None
    rebill: bool | None = None
    popularity_rank: int | None = None


class ProductChanged(OfProduct):
    """A product changed, in whatever; of `commission_changed` in rate or amount."""

    type: Literal["product_changed", "commission_changed"]
    changed: list[str] = Field(description="The names of what is another now.")
    before: dict[str, Any] = Field(description="What these were before.")


class GravityCrossed(ProductChanged):
    """A product's gravity reached the trigger's `above`, or fell short of its `below`."""

    type: Literal["gravity_crossed"]  # type: ignore[assignment]
    direction: Literal["above", "below"]
    threshold: str


class ProductAbsence(OfProduct):
    """A product is missing in the third feed running, or is back after that."""

    type: Literal["product_vanished", "product_returned"]
    last_seen_at: str | None = Field(None, description="In a feed, before it vanished.")
    vanished_at: str


class Hook(Happened):
    """Something was posted to the workflow's own address."""

    type: Literal["hook"]
    body: Any = Field(None, description="The JSON or form that was posted.")


class WorkflowEvent(
    RootModel[
        Annotated[
            Click
            | Payment
            | BonusDelivered
            | ContentPublished
            | SubscriptionChanged
            | ProductChanged
            | GravityCrossed
            | ProductAbsence
            | Hook,
            Field(discriminator="type"),
        ]
    ]
):
    """What stands under `event` in conditions and templates."""


def seen(data: dict[str, Any]) -> dict[str, Any]:
    """A fact as conditions see it: amounts as numbers."""
    found = {key: _number(value) if key in AMOUNTS else value for key, value in data.items()}
    before = found.get("before")
    if found.get("type") in _WITH_BEFORE and isinstance(before, dict):
        found["before"] = seen(before)
    return found


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
