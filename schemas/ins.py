"""What a ClickBank notification says, whichever version wrote it (INS 1 to 8).

Any field may be missing, numbers come as numbers or as text, and lists of types and payment
methods grow without notice: only what money hangs on is held to a form.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from base.errors import Permanent

MOST_ITEMS = 50
_MOST_CODES = 50
_MOST_TEXTS = 100
_LONGEST = 256  # what the network itself lets a tracking parameter be
_LONGEST_NUMBER = 20
_AMOUNT = re.compile(r"[+-]?[0-9]{1,12}(?:\.([0-9]{1,8}))?")
_CENT = Decimal("0.01")
_TOO_MUCH = Decimal(100_000_000)  # DECIMAL(10,2)
# First payments have eight capitals and digits; a test's is masked.
_RECEIPT = re.compile(r"[A-Za-z0-9]{1,21}(?:-[A-Za-z0-9]{1,10})?|\*+")
_NAME = re.compile(r"[A-Za-z0-9_-]{0,50}")
_WORD = re.compile(r"[A-Za-z0-9_./ :-]{1,255}")
_EMAIL = re.compile(r"[^@\s\x00-\x20\x7f<>\"(),:;]{1,64}@[^@\s\x00-\x20\x7f<>\"(),:;]{1,190}")
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Unreadable(Permanent):
    """What was decrypted, or posted in the clear, is no notification."""


@dataclass(slots=True)
class Notification:
    """One notification; times aware and in UTC, amounts in US dollars and signed as told."""

    type: str
    receipt: str = ""
    role: str = ""
    vendor: str = ""
    affiliate: str = ""
    occurred: datetime | None = None
    amount: Decimal | None = None  # what the account that was told earns or loses
    order_amount: Decimal | None = None
    currency: str = ""  # the customer's
    payment_method: str = ""
    version: str = ""
    attempt: str = ""
    codes: list[str] = field(default_factory=list)  # tid of the affiliate, vtid of the seller
    tracking: dict[str, str] = field(default_factory=dict)  # of the affiliate alone
    variables: dict[str, str] = field(default_factory=dict)  # of the seller alone
    original: str = ""  # the receipt of the first sale of the flow
    items: list[dict[str, str]] = field(default_factory=list)
    email: str = ""


def _refuse_constant(name: str) -> Any:
    raise Unreadable(f"{name} is no amount.")


# Numbers stay as they were written: no binary float is ever made of money.
_loads: Callable[[str], Any] = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_refuse_constant, strict=False
).decode


def read(plain: bytes) -> Notification:
    """The notification in a decrypted text; raises `Unreadable`."""
    try:
        told = _loads(plain.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"It is no JSON: {type(error).__name__}.") from None
    if not isinstance(told, dict):
        raise Unreadable("It is no JSON object.")
    return shape(told)


def shape(told: dict[str, Any]) -> Notification:
    """The notification in an object by the names of versions 6 to 8; raises `Unreadable`."""
    upsell = _object(told.get("upsell"))
    return Notification(
        type=_matching(_WORD, told, "transactionType").upper(),
        receipt=_matching(_RECEIPT, told, "receipt"),
        role=_matching(_NAME, told, "role").upper(),
        vendor=_matching(_NAME, told, "vendor").lower(),
        affiliate=_matching(_NAME, told, "affiliate").lower(),
        occurred=moment(text(told.get("transactionTime"))),
        amount=amount(text(told.get("totalAccountAmount"))),
        order_amount=_amount_or_none(told.get("totalOrderAmount")),
        currency=text(told.get("currency"))[:3],
        payment_method=text(told.get("paymentMethod"))[:50],
        version=text(told.get("version"))[:_LONGEST_NUMBER],
        attempt=text(told.get("attemptCount"))[:_LONGEST_NUMBER],
        codes=_texts(told.get("trackingCodes")),
        tracking=_texts_by_name(told.get("affiliateTrackingParameters")),
        variables=_texts_by_name(told.get("vendorVariables")),
        original=_matching(_RECEIPT, upsell, "upsellOriginalReceipt"),
        items=_items(told.get("lineItems")),
        email=_email(told.get("customer")),
    )


def text(value: Any) -> str:
    """A scalar as text that can be stored, at most 256 characters; empty for all else."""
    if value is None or isinstance(value, dict | list):
        return ""
    found = value if isinstance(value, str) else str(value).lower()  # `true`, as in JSON
    if not found.isprintable():
        found = _NOT_TEXT.sub("", found)
    return found[:_LONGEST].strip()


def amount(told: str) -> Decimal | None:
    """Dollars in whole cents, signed; None for nothing told, `Unreadable` for what is no amount."""
    if not told:
        return None
    if not (found := _AMOUNT.fullmatch(told)):
        raise Unreadable("An amount is no decimal.")
    value = Decimal(told)
    if len(found[1] or "") > 2:
        if value != (cents := value.quantize(_CENT)):
            raise Unreadable("An amount has more than two decimals.")
        value = cents
    if abs(value) >= _TOO_MUCH:
        raise Unreadable("An amount is beyond 100,000,000.")
    return value


def moment(told: str) -> datetime | None:
    """A time in UTC: ISO 8601 with an offset, extended (6) or basic (7 and 8), or Unix seconds.

    None when it is neither: then the arrival counts, money is not lost for a date.
    """
    try:
        if told.isascii() and told.isdigit() and len(told) <= 11:
            return datetime.fromtimestamp(int(told), UTC)
        found = datetime.fromisoformat(told)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


def _amount_or_none(value: Any) -> Decimal | None:
    """Of what is only shown, nothing is refused."""
    try:
        return amount(text(value))
    except Unreadable:
        return None


def _matching(pattern: re.Pattern[str], told: dict[str, Any], name: str) -> str:
    """What stands there; a forged text rarely fits, so it says what does not."""
    found = text(told.get(name))
    if found and not pattern.fullmatch(found):
        raise Unreadable(f"{name} has not its form.")
    return found


def _object(value: Any) -> dict[str, Any]:
    """An object, or the first one of a list: senders differ."""
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, dict)), None)
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    return [found for one in given[:_MOST_CODES] if (found := text(one))]


def _texts_by_name(value: Any) -> dict[str, str]:
    given = list(_object(value).items())[:_MOST_TEXTS]
    return {name: found for key, one in given if (name := text(key)) and (found := text(one))}


_ITEM = {"item_no": "itemNo", "type": "lineItemType", "quantity": "quantity",
         "amount": "accountAmount"}  # fmt: skip


def _items(value: Any) -> list[dict[str, str]]:
    """What was bought, without its titles: `item_no`, `type`, `quantity`, `amount` as told."""
    given = value if isinstance(value, list) else [value]
    return [
        {ours: found for ours, theirs in _ITEM.items() if (found := text(one.get(theirs)))}
        for one in given[:MOST_ITEMS]
        if isinstance(one, dict)
    ]


def _email(customer: Any) -> str:
    """The buyer's address; the only thing of a customer that is looked at."""
    told = _object(customer)
    for part in ("shipping", "billing"):
        found = text(_object(told.get(part)).get("email"))
        if found and _EMAIL.fullmatch(found):
            return found
    return ""
