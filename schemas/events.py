"""`POST /v1/events`: what developers send, item by item, and why an item is refused."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from base.ids import is_click_id
from schemas import bodies
from schemas.bodies import Refusal
from schemas.fields import (
    AMOUNT,
    CLICK_ID,
    CURRENCY,
    EMAIL,
    INVISIBLE,
    MOMENT,
    SOURCE_CHARACTERS,
    SUBS,
    VALUE_CHARACTERS,
)
from schemas.metadata import MAX_BYTES, check

MAX_ITEMS = 1000
_SUBS = frozenset(SUBS)
MONEY_TYPES = ("conversion", "refund", "rebill")

_MOMENT = re.compile(MOMENT)
_INVISIBLE = re.compile(f"[{INVISIBLE}\ud800-\udfff]")


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError(_SENTENCES["occurred_at"])
    moment = datetime.fromisoformat(value.upper())
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # an edge of time as told east or west of Greenwich; far off anyway
        return moment.replace(tzinfo=UTC)


def _printable(text: str) -> str:
    if not text.isprintable() and _INVISIBLE.search(text):
        raise ValueError("must not hold control characters")
    return text


def _click_id(text: str) -> str:
    if not is_click_id(text):
        raise ValueError("not a click id")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds NUL")
    return text


Printable = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Value = Annotated[str, Field(max_length=VALUE_CHARACTERS), AfterValidator(_storable)]
ClickId = Annotated[
    str,
    AfterValidator(_click_id),
    WithJsonSchema({"type": "string", "pattern": CLICK_ID}),
]
Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": MOMENT}),
]


class EventIn(BaseModel):
    """One event as a developer sends it; every text can be stored as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["click", "view", "conversion", "refund", "rebill"]
    tracking_id: Annotated[Printable, Field(max_length=50)] | None = None
    click_id: ClickId | None = None
    event_id: Printable | None = None
    order_id: Printable | None = None
    amount: Annotated[str, Field(pattern=AMOUNT)] | None = None
    currency: Annotated[str, Field(pattern=CURRENCY)] | None = None
    email: Annotated[str, Field(pattern=EMAIL)] | None = None  # the buyer's; never in metadata
    occurred_at: Moment | None = None
    source: Value | None = None
    sub1: Value | None = None
    sub2: Value | None = None
    sub3: Value | None = None
    sub4: Value | None = None
    sub5: Value | None = None
    sub6: Value | None = None
    sub7: Value | None = None
    sub8: Value | None = None
    sub9: Value | None = None
    sub10: Value | None = None
    sub11: Value | None = None
    sub12: Value | None = None
    sub13: Value | None = None
    sub14: Value | None = None
    sub15: Value | None = None
    sub16: Value | None = None
    sub17: Value | None = None
    sub18: Value | None = None
    sub19: Value | None = None
    sub20: Value | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(check)] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "EventIn":
        if self.tracking_id is None and self.click_id is None:
            raise ValueError("The item needs a tracking_id or a click_id.")
        if self.type not in MONEY_TYPES and (self.amount or self.email) is not None:
            name = "email" if self.amount is None else "amount"
            raise ValueError(f"{name}: only a conversion, a refund or a rebill has one.")
        return self

    @property
    def short_source(self) -> str | None:
        """The source as the row can hold it: 255 characters, None instead of empty."""
        return self.source[:SOURCE_CHARACTERS] if self.source else None

    def meta(self) -> dict[str, Any]:
        """`metadata` of the row: the sender's own, then sub1…sub20, order id, currency, flags.

        `ip` in it is still whole: the door truncates it before anything is kept.
        """
        meta = dict(self.metadata) if self.metadata else {}
        for name in self.model_fields_set & _SUBS:
            if value := getattr(self, name):
                meta[name] = value
        if self.order_id is not None:
            meta["order_id"] = self.order_id
        if self.currency is not None:
            meta["currency"] = self.currency
        if self.source and len(self.source) > SOURCE_CHARACTERS:
            meta["source_cut"] = True
        return meta


_SENTENCES = {
    "type": 'type: must be one of "click", "view", "conversion", "refund", "rebill".',
    "tracking_id": "tracking_id: must be 1 to 50 printable characters.",
    "click_id": "click_id: must be 32 lower-case hex digits, as Hopfleet made them.",
    "event_id": "event_id: must be 1 to 255 printable characters.",
    "order_id": "order_id: must be 1 to 255 printable characters.",
    "amount": (
        'amount: must be a decimal string such as "12.50", below 100,000,000,'
        " without sign, exponent or thousands separators."
    ),
    "currency": 'currency: must be three capital letters such as "USD".',
    "email": "email: must be an e-mail address such as ada@example.com.",
    "occurred_at": (
        "occurred_at: must be a valid ISO 8601 time with an offset,"
        ' such as "2026-01-31T12:00:00Z"; epoch numbers and local times are refused.'
    ),
    "metadata": "metadata: must be a JSON object of text keys and values.",
}


def read(body: bytes, content_type: str | None, limit: int = MAX_ITEMS) -> list[EventIn | Refusal]:
    """A verdict for every item of a body, in order; a bad item never harms its neighbours.

    The body is one object, an array, or newline-delimited JSON (empty lines do not count).
    Raises `Refused` when there is nothing to give a verdict on.
    """
    may_be_large = len(body) > MAX_BYTES
    return [_event(item, may_be_large) for item in bodies.items(body, content_type, limit)]


def _event(item: Any, may_be_large: bool) -> EventIn | Refusal:
    if isinstance(item, Refusal):
        return item
    if not isinstance(item, dict):
        return Refusal("The item must be a JSON object.")
    try:
        if may_be_large and _size(item) > MAX_BYTES:
            return Refusal(f"The item is larger than {MAX_BYTES:,} bytes.")
        return EventIn.model_validate(item)
    except ValidationError as error:
        return Refusal(_sentence(error))
    except RecursionError:
        return Refusal("The item is nested too deep.")


def _size(item: dict[str, Any]) -> int:
    """Bytes of an item as JSON; measured first, so that a huge one costs no more than that."""
    try:
        return len(orjson.dumps(item))
    except orjson.JSONEncodeError:  # surrogates, huge integers: refused by name if small enough
        return len(json.dumps(item))


def _sentence(error: ValidationError) -> str:
    """The first mistake, in words that say what to send instead."""
    first = error.errors(include_url=False, include_input=False)[0]
    reason = first.get("ctx", {}).get("error")
    field = str(first["loc"][0])[:100] if first["loc"] else ""
    if isinstance(reason, ValueError) and field in ("", "metadata"):
        return str(reason)
    if not field:
        return "The item holds a key that is no text."
    if first["type"] == "missing":
        return f"{field}: is missing; " + _SENTENCES[field].partition(": ")[2]
    if first["type"] == "extra_forbidden":
        return f"{ascii(field)[1:-1]}: is not a field of an event; put your own data into metadata."
    return _SENTENCES.get(
        field, f"{field}: must be text of at most {VALUE_CHARACTERS:,} characters, without NUL."
    )
