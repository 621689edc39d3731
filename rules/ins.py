"""What a ClickBank notification means: which of our events it is, if it counts, and whose."""

from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from base.ids import ms_of
from rules.payments import base_of
from rules.times import accepted, iso, iso_ms
from schemas.ins import Notification, Unreadable, shape
from schemas.integrations import IntegrationSettings
from schemas.items import Door, Item

RECORDED, TEST, STATUS = "recorded", "test", "status"
UNKNOWN_TYPE, ROLE_IGNORED, NICKNAME_IGNORED = "unknown_type", "role_ignored", "nickname_ignored"

_VENDOR = "VENDOR"
_MOST_SHOWN_ITEMS = 20
_MOST_VARIABLES = 100


class Meaning(NamedTuple):
    """What a transaction type is to us."""

    event: str  # conversion, rebill, refund
    reason: str | None = None
    state: str | None = None


MEANINGS = {
    "SALE": Meaning("conversion"),
    "BILL": Meaning("rebill"),
    "RFND": Meaning("refund", "refund"),
    "CGBK": Meaning("refund", "chargeback", "chargeback"),
    "INSF": Meaning("refund", "insf"),
}
_STATUS = frozenset(
    {
        "CANCEL-REBILL", "UNCANCEL-REBILL", "ABANDONED_ORDER", "CUSTOMER_AUTH_FAILURE",
        "CUSTOMER_EMAIL_UPDATE", "CUSTOMER_UPDATE_CC_NOTIFICATION",
        "PURCHASE_DETAILS_EMAIL_RESPONSE",
    }
)  # fmt: skip
_CHANGE = "SUBSCRIPTION-CHG"  # what changed into what may follow the name


def is_test(kind: str) -> bool:
    """Whether a transaction type is a test's, known or not."""
    return kind == "TEST" or kind.startswith("TEST_") or "-TEST-" in kind


def outcome(told: Notification, chosen: IntegrationSettings) -> str:
    """What becomes of a notification: `recorded` when it is an event that counts for the account.

    Raises `Unreadable` when it should be one and names no receipt, or no type.
    """
    if not told.type:
        raise Unreadable("It has no transactionType.")
    if is_test(told.type):
        return TEST
    if told.type not in MEANINGS:
        is_status = told.type in _STATUS or told.type.startswith(_CHANGE)
        return STATUS if is_status else UNKNOWN_TYPE
    if not told.receipt or told.receipt.startswith("*"):
        raise Unreadable("It has no receipt.")
    if chosen.role and told.role and told.role != chosen.role:
        return ROLE_IGNORED
    if chosen.nickname and not _is_about(told, chosen.nickname.strip().lower()):
        return NICKNAME_IGNORED
    return RECORDED


def _is_about(told: Notification, nickname: str) -> bool:
    """Whether the share is that account's; a partner's name (JV) is not in the message."""
    known = {_VENDOR: told.vendor, "AFFILIATE": told.affiliate}
    return known.get(told.role, "") in ("", nickname)


def item(
    told: Notification, arrived: str, user: str, integration: str, campaign: str | None = None
) -> Item:
    """The payment that a recorded notification tells of; the same each time it is asked.

    `arrived` is the id that the door gave the message: its randomness stays, its time becomes
    that of the transaction where that counts.
    """
    meaning = MEANINGS[told.type]
    arrival = ms_of(arrived)
    ms, _ = accepted(told.occurred, arrival)
    made: Item = {
        "id": f"{ms:012x}{arrived[12:]}",
        "type": meaning.event,
        "user": user,
        "door": str(Door.CLICKBANK),  # a worker takes no enumeration for text
        "integration": integration,
        "receipt": told.receipt,
        "meta": _meta(told, arrival),
    }
    if campaign is not None:
        made["campaign"] = campaign
    if told.role:
        made["role"] = told.role[:20]
    if told.amount is not None:
        made["amount"] = f"{abs(told.amount):f}"
    if meaning.event == "refund":
        # One receipt may be taken back in parts: the moment and the amount tell them apart.
        at = iso(told.occurred) if told.occurred else ""
        made["number"] = f"{told.type}/{at}/{made.get('amount', '')}"
    if meaning.reason is not None:
        made["reason"] = meaning.reason
    if meaning.state is not None:
        made["state"] = meaning.state
    if (parent := parent_of(told)) is not None:
        made["parent"] = parent
    if found := candidates(told):
        made["clicks"] = found
    return made


def candidates(told: Notification) -> list[str]:
    """What may be the click's id, as it was told, the likeliest first, each once."""
    found = [told.tracking.get("extclid", ""), *told.codes]
    if told.role in ("", _VENDOR):
        found += [told.variables.get("extclid", ""), told.variables.get("tid", "")]
    return list(dict.fromkeys(one for one in found if one))


def parent_of(told: Notification) -> str | None:
    """The receipt this sale was an upsell to; the first sale of a flow names itself."""
    original = told.original
    if not original or original.startswith("*") or base_of(original) == base_of(told.receipt):
        return None
    return original


def rebill_number(receipt: str) -> int | None:
    """Which payment of a subscription it is: 2 for `-B002`; None for a first payment."""
    base = base_of(receipt)
    return None if base == receipt else int(receipt[len(base) + 2 :])


def _meta(told: Notification, arrival: int) -> dict[str, Any]:
    """What the row says beyond the payment; nothing of the customer."""
    found: dict[str, Any] = {
        "received_at": iso_ms(arrival),
        "occurred_at": iso(told.occurred) if told.occurred else None,
        "transaction_type": told.type,
        "vendor": told.vendor,
        "affiliate": told.affiliate,
        "parent_receipt": parent_of(told),
        "payment_method": told.payment_method,
        "customer_currency": told.currency,
        "order_amount_usd": None if told.order_amount is None else f"{told.order_amount:f}",
        "items": told.items[:_MOST_SHOWN_ITEMS],
        "tracking": told.tracking,
        "ins_version": told.version,
        "attempt": told.attempt,
    }
    if (number := rebill_number(told.receipt)) is not None:
        found |= {"base_receipt": base_of(told.receipt), "rebill_number": number}
    if told.amount and (told.amount < 0) != (MEANINGS[told.type].event == "refund"):
        found["sign_unexpected"] = True
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


_LEGACY = {
    "ctransaction": "transactionType", "ctransreceipt": "receipt", "ctransrole": "role",
    "ctransaffiliate": "affiliate", "ctranstime": "transactionTime",
    "ctranspaymentmethod": "paymentMethod", "ccurrency": "currency",
    "cnoticeversion": "version",
}  # fmt: skip


def from_form(fields: dict[str, str]) -> Notification:
    """A post of versions 1 to 5, its checksum right, as a notification; raises `Unreadable`."""
    told: dict[str, Any] = {
        theirs: fields[ours] for ours, theirs in _LEGACY.items() if ours in fields
    }
    told["vendor"] = fields.get("ctransvendor") or fields.get("ctranspublisher")
    told["totalAccountAmount"] = _cents(fields.get("caccountamount") or fields.get("ctransamount"))
    told["totalOrderAmount"] = _cents(fields.get("corderamount"))
    told["trackingCodes"] = [fields.get("ctid") or fields.get("caffitid")]
    told["vendorVariables"] = _variables(fields.get("cvendthru", ""))
    told["upsell"] = {"upsellOriginalReceipt": fields.get("cupsellreceipt")}
    bought = {"itemNo": fields.get("cproditem"), "lineItemType": fields.get("cprodtype")}
    told["lineItems"] = [bought]
    told["customer"] = {"shipping": {"email": fields.get("ccustemail")}}
    return shape(told)


def _variables(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, max_num_fields=_MOST_VARIABLES))
    except ValueError:
        return {}


def _cents(told: str | None) -> str | None:
    """Whole cents as dollars."""
    if not told:
        return None
    sign, digits = ("-", told[1:]) if told.startswith("-") else ("", told)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
        raise Unreadable("An amount is no number of cents.")
    digits = digits.rjust(3, "0")
    return f"{sign}{digits[:-2]}.{digits[-2:]}"
