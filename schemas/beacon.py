"""What a page tells us: `POST /e/{tracking_id}` and the pixel's query string."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from base.errors import Refused
from base.ids import is_click_id
from schemas import bodies
from schemas.fields import (
    AD_CLICK_IDS,
    AMOUNT,
    CURRENCY,
    SOURCE_CHARACTERS,
    SUBS,
    UNWANTED,
    VALUE_CHARACTERS,
)

EVENTS = ("view", "click", "conversion")
_UNSAID = (None, "")  # a form sends its empty fields, too
MAX_ORDER_CHARACTERS = 255

_KEPT = frozenset((*SUBS, *AD_CLICK_IDS))
_AMOUNT = re.compile(AMOUNT)
_CURRENCY = re.compile(CURRENCY)
_UNWANTED = re.compile(UNWANTED)


@dataclass(slots=True)
class BeaconIn:
    """An event of a page. What does not fit is left out and flagged in `meta`, never guessed.

    `amount` is a decimal string that fits DECIMAL(10,2), only of conversions; `click` the click
    id the page carries; `meta` goes into the row's metadata as it is.
    """

    event: str
    order_id: str | None = None
    amount: str | None = None
    currency: str | None = None
    click: str | None = None
    source: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def read(body: bytes, query: Mapping[str, str]) -> BeaconIn:
    """The event in a beacon's body (a JSON object, whatever the content type; may be empty).

    The body's fields win over those of the query string; unknown ones are ignored. Raises
    `Refused` when the body is something else, or the event has no name we know.
    """
    if not body.strip():
        return shape(query)
    given = bodies.value(body)
    if not isinstance(given, dict):
        raise Refused("The body must be a JSON object.")
    return shape({**query, **given})


def shape(given: Mapping[str, Any]) -> BeaconIn:
    """The event in a set of parameters; `event` is `view` unless it says otherwise."""
    # `type` is what /v1/events calls it: whoever confuses the two means it.
    event = next(
        (said for name in ("event", "type") if (said := given.get(name)) not in _UNSAID), "view"
    )
    if event not in EVENTS:
        raise Refused('The event must be "view", "click" or "conversion".')
    beacon = BeaconIn(event, click=_click(given), source=_source(given))
    if beacon.source is not None and len(beacon.source) > SOURCE_CHARACTERS:
        beacon.source = beacon.source[:SOURCE_CHARACTERS]
        beacon.meta["source_cut"] = True
    for name, value in given.items():
        if name in _KEPT or name.startswith("utm_"):
            text = _text(value, VALUE_CHARACTERS)
            if text and len(name) <= 100 and len(beacon.meta) < 60:
                beacon.meta[_UNWANTED.sub("", name)] = text
    if event == "conversion":
        _sale(beacon, given)
    return beacon


def _sale(beacon: BeaconIn, given: Mapping[str, Any]) -> None:
    """Order, amount and currency; a conversion is worth keeping even when they make no sense."""
    order_id = _text(given.get("order_id"), MAX_ORDER_CHARACTERS + 1)
    if order_id and len(order_id) <= MAX_ORDER_CHARACTERS:
        beacon.order_id = beacon.meta["order_id"] = order_id
    elif order_id:  # cut, it could be taken for another order
        beacon.meta["order_id_refused"] = order_id[:50]
    amount = _text(given.get("amount"), 50)
    if amount and _AMOUNT.fullmatch(amount):
        beacon.amount = amount
    elif amount:
        beacon.meta["amount_refused"] = amount
    currency = _text(given.get("currency"), 50)
    if currency and _CURRENCY.fullmatch(currency.upper()):
        beacon.currency = beacon.meta["currency"] = currency.upper()
    elif currency:
        beacon.meta["currency_refused"] = currency


def _source(given: Mapping[str, Any]) -> str | None:
    for name in ("source", "s", "utm_source"):
        if text := _text(given.get(name), VALUE_CHARACTERS):
            return text
    return None


def _click(given: Mapping[str, Any]) -> str | None:
    click = given.get("click_id")
    return click if isinstance(click, str) and is_click_id(click) else None


def _text(value: Any, limit: int) -> str | None:
    """Text or a plain number as text without control characters, cut; else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and abs(value) >= 10**50:  # longer than anything we keep of it
        return None
    return _UNWANTED.sub("", str(value))[:limit] or None
