"""What is told of a payment: a report in hand, and a fact as the ledger keeps it."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Report(NamedTuple):
    """A payment as one door tells it; ids as text.

    `receipt` stands for the click or the item itself when the sender named none. `state` is
    pending, approved, rejected, refund, chargeback or rebill.
    """

    integration_id: str | None
    receipt: str
    type: str  # conversion, rebill, refund
    state: str
    number: str
    role: str
    door: str
    amount: Decimal | None
    currency: str
    click_id: str | None
    at: datetime  # of the event it tells of


class Fact(NamedTuple):
    """A row of the ledger; `created_at` is the moment of the event it tells of."""

    order_id: int
    user_id: str
    integration_id: str | None
    receipt: str
    type: str
    state: str
    number: str
    role: str
    door: str
    verdict: str
    amount: Decimal | None
    currency: str | None
    revenue: Decimal | None
    event_id: str
    item_id: str
    click_id: str | None
    campaign_id: str | None
    reason: str | None
    flags: list[str]
    created_at: datetime
