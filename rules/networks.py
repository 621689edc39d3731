"""Networks whose postbacks we know: what they call a payment's parts, and how it stands.

Own templates in an integration's settings are laid over one of these. Sources, read in November
2026: ClickBank's "Postback/Pixels Guide" (support.clickbank.com), Digistore24's "S2S-Postback"
(docs.digistore24.com) and its IPN events (dev.digistore24.com), Affise's "Affiliate postback URL
macros" (help-center.affise.com), Admitad's list of postback parameters (developers.admitad.com),
Everflow's "A guide to parameters and macros" (helpdesk.everflow.io), BuyGoods' tokens as BeMob
documents them (docs.bemob.com), and TUNE's as its own help and Trackly show them
(docs.tracklysms.com). In all of them the account's owner writes the address; `link` is that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.fields import SUBS
from schemas.integrations import State


def _words(state: State, *words: str) -> dict[str, State]:
    return dict.fromkeys(words, state)


# As networks and trackers write them; in lower case, with underscores.
_WORDS: dict[str, State] = {
    **_words("approved", "approved", "confirmed", "conversion", "sale", "lead", "accepted"),
    **_words("approved", "paid", "payment", "purchase", "order", "deposit", "success"),
    **_words("pending", "pending", "hold", "waiting", "new", "open", "on_hold"),
    **_words("rejected", "rejected", "declined", "denied", "canceled", "cancelled", "trash"),
    **_words("rejected", "invalid", "void", "voided", "fraud"),
    **_words("refund", "refund", "refunded", "reversed", "reversal", "returned", "rfnd"),
    **_words("chargeback", "chargeback", "charge_back", "charged_back", "cgbk"),
    **_words("rebill", "rebill", "bill", "recurring", "renewal", "rebilling"),
}
_SUB_IDS: dict[str, tuple[str, ...]] = {name: (name,) for name in SUBS}


@dataclass(frozen=True, slots=True)
class Template:
    """How to read one network's postbacks.

    `params`: per field of ours the network's names in lower case, the first one given counts.
    `statuses`: its words. `link` is what follows an integration's address when it is pasted into
    the network's form: parameters with the network's macros.
    """

    params: Mapping[str, tuple[str, ...]]
    statuses: Mapping[str, State]
    unit: Literal["units", "cents"] = "units"
    currency: str = "USD"
    link: str = ""


TEMPLATES: dict[str, Template] = {
    "generic": Template(
        {
            "click_id": ("click_id", "clickid", "cid", "subid"),
            "tracking_id": ("tracking_id",),
            # Many networks know one id alone, and call it the transaction's.
            "order_id": ("order_id", "orderid", "receipt", "txid", "transaction_id"),
            "number": ("number", "transaction_id"),
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
    # Unsigned: the instant notifications remain what money should come from. Upsells have receipts
    # of their own; refunds are not known to be sent this way.
    "clickbank": Template(
        {
            "click_id": ("extclid", "tid", "click_id"),  # the last may be ClickBank's own
            "order_id": ("order_id", "receipt_id", "receipt"),
            "event": ("event_type", "type"),
            "status": ("status",),
            "amount": ("amount", "affiliate_earnings"),
            "role": ("role",),
            "sub1": ("campaign",),
            "sub2": ("traffic_source",),
        },
        {
            **_WORDS,
            **_words("approved", "initial_purchase", "upsell_purchase", "upsell", "bump"),
            **_words("ignored", "order_form_impression", "order_impression", "impression"),
            **_words("ignored", "payment_data_entry", "test", "test_sale", "test_bill"),
        },
        link="?event_type={event_type}&receipt_id={receipt_id}&amount={affiliate_earnings}"
        "&extclid={extclid}&tid={tid}&role={role}",
    ),
    # A payment of every kind comes as `payment`; each has a transaction of its own.
    "digistore24": Template(
        {
            "click_id": ("cid",),
            "order_id": ("order_id", "transaction_id"),
            "number": ("transaction_id",),
            "event": ("transaction_type", "event"),
            "amount": ("amount_affiliate", "amount_vendor", "amount"),
            "currency": ("currency",),
            "sub1": ("campaignkey",),
            **{f"sub{n + 1}": (f"sid{n}",) for n in range(1, 6)},
        },
        {
            **_WORDS,
            **_words("approved", "on_payment"),
            **_words("refund", "on_refund"),
            **_words("chargeback", "on_chargeback"),
            **_words("ignored", "on_payment_missed", "payment_missed", "payment_denial"),
            **_words("ignored", "on_rebill_cancelled", "on_rebill_resumed", "last_paid_day"),
        },
        currency="EUR",
        link="?cid={cid}&transaction_id={transaction_id}&transaction_type={transaction_type}"
        "&amount_affiliate={amount_affiliate}&currency={currency}&campaignkey={campaignkey}",
    ),
    # It has no macro for our click id: that goes through one of its sub accounts.
    "affise": Template(
        {
            "click_id": ("sub1", "click_id", "clickid"),
            "order_id": ("transactionid",),
            "status": ("status",),
            "amount": ("sum",),
            "currency": ("currency",),
            "occurred_at": ("timestamp",),
            "reason": ("comment",),
            **{name: (name,) for name in SUBS[1:8]},
        },
        {
            **_WORDS,
            **_words("approved", "1"),
            **_words("pending", "2", "5"),
            **_words("rejected", "3"),
        },
        link="?sub1={sub1}&transactionid={transactionid}&status={status}&sum={sum}"
        "&currency={currency}&timestamp={timestamp}",
    ),
    "admitad": Template(
        {
            "click_id": ("subid",),
            "order_id": ("order_id",),
            "status": ("payment_status", "status"),
            "amount": ("payment_sum",),
            "currency": ("currency",),
            "occurred_at": ("time",),
            **{name: (f"subid{name[3:]}",) for name in SUBS[:4]},
        },
        {**_WORDS, **_words("pending", "approved_but_stalled")},
        link="?subid=[[[subid]]]&order_id=[[[order_id]]]&payment_sum=[[[payment_sum]]]"
        "&currency=[[[currency]]]&payment_status=[[[payment_status]]]&time=[[[time]]]",
    ),
    # {transaction_id} is Everflow's own click: a sale of one is a sale of it. Ours is its sub1.
    "everflow": Template(
        {
            "click_id": ("sub1", "click_id"),
            "order_id": ("order_id", "conversion_id", "transaction_id"),
            "event": ("event_name", "event"),
            "status": ("status",),
            "amount": ("payout_amount", "payout"),
            "currency": ("currency",),
            **{name: (name,) for name in SUBS[1:10]},
        },
        _WORDS,
        link="?sub1={sub1}&transaction_id={transaction_id}&payout_amount={payout_amount}",
    ),
    "buygoods": Template(
        {
            "click_id": ("subid",),
            "order_id": ("orderid",),
            "event": ("type", "conv_type"),
            "status": ("status",),
            "amount": ("commission_amount",),
        },
        {**_WORDS, **_words("rejected", "commission_void"), **_words("refund", "cancel")},
        link="?subid={SUBID}&orderid={ORDERID}&commission_amount={COMMISSION_AMOUNT}",
    ),
    "tune": Template(
        {
            "click_id": ("aff_sub", "click_id"),
            "order_id": ("transaction_id",),
            "status": ("status",),
            "amount": ("payout",),
            "currency": ("currency",),
            **{f"sub{n}": (f"aff_sub{n}",) for n in range(2, 6)},
        },
        _WORDS,
        link="?aff_sub={aff_sub}&transaction_id={transaction_id}&payout={payout}"
        "&currency={currency}",
    ),
}
