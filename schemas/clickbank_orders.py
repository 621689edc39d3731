"""An order as ClickBank's API tells it, read as the notification that it should have sent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from schemas.ins import Notification, Unreadable, amount, shape, text

_SAME = (
    "transactionTime", "receipt", "transactionType", "vendor", "affiliate", "role", "currency",
    "totalOrderAmount", "affiliateTrackingParameters", "upsell",
)  # fmt: skip


def notification(order: Mapping[str, Any]) -> Notification:
    """What an order says, its attributes taken out; raises `Unreadable`.

    It has no total of the account: that is the sum of its lines, as it is in notifications.
    """
    lines = _many(order.get("lineItemData"))
    told = {name: order.get(name) for name in _SAME}
    told["trackingCodes"] = [order.get("trackingId")]
    told["paymentMethod"] = order.get("paymentMethod") or order.get("paytmentMethod")
    told["vendorVariables"] = _variables(order.get("vendorVariables"))
    told["lineItems"] = lines
    told["role"] = order.get("role") or next((one.get("role") for one in lines), None)
    if any(one.get("accountAmount") is not None for one in lines):
        told["totalAccountAmount"] = f"{sum(map(_share, lines), Decimal(0)):f}"
    return shape(told)


def _share(line: Mapping[str, Any]) -> Decimal:
    return amount(text(line.get("accountAmount"))) or Decimal(0)


def _many(value: Any) -> list[dict[str, Any]]:
    given = value if isinstance(value, list) else [value]
    return [one for one in given if isinstance(one, dict)]


def _variables(value: Any) -> dict[str, Any]:
    """`item` is a list of names and values."""
    found = value.get("item") if isinstance(value, dict) else None
    return {text(one.get("name")): one.get("value") for one in _many(found)}


__all__ = ["Unreadable", "notification"]
