"""Sales as ClickBank tells them: encrypted notifications with receipts and amounts we know."""

import base64
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ops.bench.traffic import Target

SECRET = "BENCHMARK2026KEY"  # noqa: S105 - of made-up accounts
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_BLOCK = 16
_REFUNDS, _REBILLS = 0.08, 0.12  # shares of the messages


@dataclass(frozen=True)
class Told:
    """One message: its plain text, and what it adds to revenue."""

    text: bytes
    revenue: Decimal


def notifications(
    clicks: Sequence[str], count: int, at: datetime, *, nickname: str = "maplewick", seed: int = 7
) -> list[Told]:
    """`count` messages of sales, rebills and refunds, each of its own; the same for one seed.

    A rebill or a refund follows its sale in the list.
    """
    dice = random.Random(seed)
    sold: list[tuple[str, str, Decimal]] = []
    made: list[Told] = []
    while len(made) < count:
        chance = dice.random()
        if sold and chance < _REFUNDS:
            receipt, click, amount = sold.pop(dice.randrange(len(sold)))
            kind, amount = "RFND", -amount
        elif sold and chance < _REFUNDS + _REBILLS:
            receipt, click, amount = sold.pop(dice.randrange(len(sold)))
            kind, receipt = "BILL", f"{receipt}-B002"
        else:
            kind, receipt = "SALE", "".join(dice.choices(_LETTERS, k=8))
            click, amount = dice.choice(clicks), Decimal(dice.randrange(500, 20_000)) / 100
            sold.append((receipt, click, amount))
        made.append(Told(plain(kind, receipt, amount, at, click=click, affiliate=nickname), amount))
    return made


def plain(
    kind: str,
    receipt: str,
    amount: Decimal,
    at: datetime,
    *,
    click: str | None = None,
    role: str = "AFFILIATE",
    affiliate: str = "maplewick",
    email: str | None = None,
    parent: str | None = None,
) -> bytes:
    """The plain text of a message of version 8, with the fields that real ones have."""
    number = float(amount)  # the wire has JSON numbers, of two decimals here
    line = {
        "itemNo": "core-1", "productTitle": "TidePilot Starter Course", "shippable": False,
        "recurring": kind == "BILL", "accountAmount": number, "quantity": 1,
        "lineItemType": "ORIGINAL",
    }  # fmt: skip
    address = {"address": {"state": "OR", "country": "US"}}
    told: dict[str, Any] = {
        "transactionTime": at.strftime("%Y%m%dT%H%M%S%z"), "receipt": receipt,
        "transactionType": kind, "vendor": "tidepilot", "affiliate": affiliate, "role": role,
        "totalAccountAmount": number, "paymentMethod": "VISA", "totalOrderAmount": number,
        "totalTaxAmount": 0.0, "totalShippingAmount": 0.0, "currency": "USD",
        "orderLanguage": "EN", "lineItems": [line],
        "customer": {"shipping": address | {"email": email} if email else address,
                     "billing": address | {"email": email} if email else address},
        "commonTrackingParameters": {
            "clickId": "b9a1d0c2-5e0f-4f7a-8c11-2f3e4d5c6b7a", "deviceType": "Desktop",
            "os": "Linux", "browser": "Firefox", "browserLang": "en", "country": "US",
            "state": "Oregon", "trackingType": "HOPLINK",
        },
        "version": 8.0, "attemptCount": 1,
    }  # fmt: skip
    if click is not None:
        told["trackingCodes"] = [click]
        told["affiliateTrackingParameters"] = {"trafficType": "paid", "extclid": click}
    if parent is not None:
        told["upsell"] = {"upsellOriginalReceipt": parent, "upsellPath": "a"}
    return orjson.dumps(told)


def encrypted(text: bytes, secret: str, iv: bytes) -> str:
    """The body of the request: AES-256-CBC under the first half of the secret's SHA-1 in hex."""
    key = hashlib.sha1(secret.encode()).hexdigest()[:32].encode()  # noqa: S324 - the network's way
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    missing = _BLOCK - len(text) % _BLOCK
    hidden = cipher.update(text + bytes([missing]) * missing) + cipher.finalize()
    return orjson.dumps(
        {"notification": base64.b64encode(hidden).decode(), "iv": base64.b64encode(iv).decode()}
    ).decode()


def post(key: str, told: Told, iv: bytes, secret: str = SECRET) -> Target:
    """The request that tells a message at the door of `key`."""
    headers = {"Content-Type": "application/json", "User-Agent": "Java/17"}
    return Target(f"/webhooks/clickbank/{key}", "POST", headers, encrypted(told.text, secret, iv))
