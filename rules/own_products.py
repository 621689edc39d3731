"""A seller's own products, as ClickBank's API lists them: what the catalogue's row shows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from rules.products import MOST_DESCRIPTION, MOST_TITLE, dollars, line, percent

MOST_LISTED = 50  # products of one site that are kept with its row
_MOST_TEXT = 200
_NO_DIGITS = 10**9

Product = Mapping[str, Any]


class Own(NamedTuple):
    """What is known of a site: one row stands for all of its products, as in the marketplace."""

    title: str
    description: str
    commission_rate: Decimal | None
    rebill: bool
    listed: list[dict[str, str]]  # those that are on sale: sku, title, price and currency


def own(site: str, products: Sequence[Product]) -> Own | None:
    """What a site sells; None without a product that can be bought.

    The first product names the site's row: sellers number their main product 1.
    """
    sold = sorted(filter(_is_sold, products), key=_order)
    if not sold:
        return None
    first = sold[0]
    return Own(
        line(_text(first, "title"))[:MOST_TITLE].rstrip() or site,
        line(_text(first, "description"))[:MOST_DESCRIPTION].rstrip(),
        percent("0" if _is(first, "no_commission") else _told(first, "commission", "purchase")),
        any(_is_recurring(one) for one in sold),
        [_shown(one) for one in sold[:MOST_LISTED]],
    )


def _is_sold(product: Product) -> bool:
    return _text(product, "status").upper() in ("", "ACTIVE")


def _order(product: Product) -> tuple[int, str]:
    sku = _text(product, "sku")
    return (int(sku) if sku.isascii() and sku.isdigit() and len(sku) < 9 else _NO_DIGITS, sku)


def _is_recurring(product: Product) -> bool:
    recurring = any(_is(product, name) for name in ("digitalRecurring", "physicalRecurring"))
    return recurring or bool(_told(product, "pricings", "pricing", "recurring", "price", "usd"))


def _shown(product: Product) -> dict[str, str]:
    price = dollars(_told(product, "pricings", "pricing", "standard", "price", "usd"))
    if price is None:
        price = dollars(_told(product, "pricings", "pricing", "recurring", "price", "usd"))
    found = {
        "sku": line(_text(product, "sku"))[:_MOST_TEXT],
        "title": line(_text(product, "title"))[:_MOST_TEXT],
        "usd": f"{price:f}" if price is not None else "",
        "rebill": "true" if _is_recurring(product) else "",
    }
    return {name: value for name, value in found.items() if value}


def _told(product: Product, *names: str) -> str | None:
    """A text some levels down, through the first of each list."""
    found: Any = product
    for name in names:
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(name) if isinstance(found, Mapping) else None
    return str(found) if isinstance(found, str | int | float) else None


def _text(product: Product, name: str) -> str:
    return (_told(product, name) or "").strip()


def _is(product: Product, name: str) -> bool:
    return _text(product, name).lower() == "true"
