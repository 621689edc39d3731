"""Networks whose postbacks we know: what they call a payment's parts, and how it stands.

Own templates in an integration's settings are laid over one of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from schemas.fields import SUBS
from schemas.integrations import State

_SUB_IDS: dict[str, tuple[str, ...]] = {name: (name,) for name in SUBS}
_WORDS: dict[str, State] = {
    **dict.fromkeys(
        ("approved", "confirmed", "conversion", "sale", "lead", "accepted", "paid", "payment"),
        "approved",
    ),
    **dict.fromkeys(("pending", "hold", "waiting", "new", "open"), "pending"),
    **dict.fromkeys(
        ("rejected", "declined", "denied", "canceled", "cancelled", "trash", "invalid", "void"),
        "rejected",
    ),
    **dict.fromkeys(("refund", "refunded", "reversed", "reversal", "returned"), "refund"),
    **dict.fromkeys(("chargeback", "cgbk", "charged_back"), "chargeback"),
    **dict.fromkeys(("rebill", "bill", "recurring", "renewal"), "rebill"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """How to read one network's postbacks.

    `params`: per field of ours the network's names, the first one given counts. `statuses`: its
    words in lower case. `link` is what an integration's address is followed by, for people to
    paste: our parameters with the network's macros.
    """

    params: Mapping[str, tuple[str, ...]]
    statuses: Mapping[str, State]
    unit: Literal["units", "cents"] = "units"
    currency: str = "USD"
    link: str = ""
    answer: str = field(default="OK", kw_only=True)


TEMPLATES: dict[str, Template] = {
    # Whatever lets its user write the address, as trackers do: our own names, and usual others.
    "generic": Template(
        {
            "click_id": ("click_id", "clickid", "cid", "subid"),
            "tracking_id": ("tracking_id",),
            "order_id": ("order_id", "orderid", "receipt", "txid"),
            "number": ("number", "transaction_id", "event_id"),
            "parent": ("parent",),
            "event": ("type", "event"),
            "status": ("status", "state"),
            "amount": ("amount", "payout", "revenue"),
            "currency": ("currency",),
            "occurred_at": ("occurred_at", "timestamp"),
            "reason": ("reason",),
            "source": ("source",),
            "email": ("email",),
            **_SUB_IDS,
        },
        _WORDS,
        link="?click_id={click_id}&order_id={order_id}&amount={amount}&status={status}",
    ),
    # ClickBank's own macros (its postback set-up lists more than sixty); it signs nothing, so the
    # instant notifications remain what money should come from.
    "clickbank": Template(
        {
            "click_id": ("click_id", "extclid", "tid"),
            "order_id": ("order_id", "receipt_id", "receipt"),
            "event": ("event_type", "type"),
            "amount": ("amount", "affiliate_earnings"),
            "role": ("role",),
            "source": ("traffic_source",),
            "sub1": ("tid",),
            "sub2": ("campaign",),
        },
        {
            **_WORDS,
            **dict.fromkeys(("purchase", "initial_purchase", "initial purchase"), "approved"),
            **dict.fromkeys(("upsell_purchase", "upsell purchase", "upsell"), "approved"),
            **dict.fromkeys(("order_form_impression", "order form impression"), "ignored"),
            **dict.fromkeys(("payment_data_entry", "payment data entry"), "ignored"),
        },
        link="?event_type={event_type}&order_id={receipt_id}&amount={affiliate_earnings}"
        "&click_id={click_id}&tid={tid}&role={role}",
    ),
}
