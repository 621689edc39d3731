"""What ClickBank's REST API tells of products: a seller's own ones, and how any have sold.

`products/list` lists only products of the account's own sites. The analytics are the only
documented source of refund rates, and tell them of what the account itself has sold.
"""

from datetime import date
from typing import Any, NamedTuple

from integrations.clickbank import ClickBank, Json, many, plain

VENDOR, SKU = "vendor", "product_sku"  # dimensions
AS_AFFILIATE, AS_VENDOR = "affiliate", "vendor"  # roles
SELECTED = (
    "REFUND_RATE", "CHARGEBACK_RATE", "HOP_COUNT", "SALE_COUNT", "GROSS_SALE_COUNT",
    "NET_SALE_COUNT", "NET_SALE_AMOUNT", "REFUND_COUNT", "CHARGEBACK_COUNT", "REBILL_COUNT",
)  # fmt: skip
_MOST_PAGES = 20  # of accounts that one key may read
_MOST_NAME = 255
_MOST_VALUE = 40
_MOST_VALUES = 60


class Sold(NamedTuple):
    """A row of the analytics: a seller's nickname or a product's number, values by their names."""

    name: str
    values: dict[str, str]


class Told(NamedTuple):
    """A page: products as they were told, or rows; and whether there is another page."""

    products: list[Json]
    sold: list[Sold]
    more: bool


def nicknames(client: ClickBank) -> list[str]:
    """The accounts that the key may read, lower case; raises as `ClickBank.ask` does."""
    names: dict[str, None] = {}
    for page in range(1, _MOST_PAGES + 1):
        status, told, _ = client.ask("quickstats/accounts", {}, page)
        before = len(names)
        _collect(plain(told), names)
        if status != 206 or len(names) == before:
            break
    return list(names)


def _collect(value: Any, names: dict[str, None]) -> None:
    if isinstance(value, list):
        for one in value:
            _collect(one, names)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name.lower() == "nickname" and _text(one):
                names[_text(one).lower()[:_MOST_NAME]] = None
            else:
                _collect(one, names)


def listed(client: ClickBank, site: str, page: int) -> Told:
    """A page of a site's products, each with its number as `sku`."""
    status, told, _ = client.ask("products/list", {"site": site}, page)
    found = told.get("products") if isinstance(told, dict) else told
    if isinstance(found, dict) and not _is_nothing(found):
        found = found.get("product")
    products = [_product(one) for one in many(found) if isinstance(one, dict)]
    return Told([one for one in products if one], [], status == 206)


def _product(told: Json) -> Json:
    found = plain(told)
    sku = plain(told.get("@sku", told.get("sku")))
    return {**found, "sku": sku} if isinstance(found, dict) else {}


def _is_nothing(value: Json) -> bool:
    return plain(value) is None


def sold(
    client: ClickBank, role: str, dimension: str, account: str, days: tuple[date, date],
    page: int, only: str | None = None,
) -> Told:  # fmt: skip
    """A page of what an account sold in a role between two days, inclusive; the most sold first.

    With `only`, of that name alone.
    A name that is asked for is compared with its case, as the rows have it.
    """
    asked = {
        "account": account, "startDate": days[0].isoformat(), "endDate": days[1].isoformat(),
        "select": SELECTED, "orderBy": "GROSS_SALE_COUNT",
        **({"dimensionFilter": only} if only else {}),
    }  # fmt: skip
    status, told, _ = client.ask(f"analytics/{role}/{dimension}", asked, page)
    found = plain(told)
    rows = found.get("rows") if isinstance(found, dict) else None
    rows = rows.get("row") if isinstance(rows, dict) else rows
    read = [_sold(one) for one in many(rows) if isinstance(one, dict)]
    return Told([], [one for one in read if one is not None], status == 206)


def _sold(row: Json) -> Sold | None:
    name = _text(row.get("dimensionValue"))[:_MOST_NAME]
    if not name:
        return None
    values = {}
    for one in many(row.get("data")):
        if isinstance(one, dict) and isinstance(attribute := one.get("attribute"), str):
            value = one.get("value")
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                values[_text(attribute)[:_MOST_VALUE]] = _text(str(value))[:_MOST_VALUE]
    return Sold(name, dict(list(values.items())[:_MOST_VALUES]))


def _text(value: Any) -> str:
    """A text that a database takes."""
    return value.replace("\0", "").strip() if isinstance(value, str) else ""
