"""What Stripe sends: events with a snapshot in them, and thin ones that only name their object."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

# What we act on; all else is answered 2xx, counted and not kept, since a refusal would hold up
# invoices and in the end have Stripe switch the endpoint off.
WANTED = frozenset(
    {
        "checkout.session.completed", "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed", "checkout.session.expired",
        "customer.subscription.created", "customer.subscription.updated",
        "customer.subscription.deleted", "customer.subscription.paused",
        "customer.subscription.resumed", "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired", "customer.subscription.trial_will_end",
        "invoice.paid", "invoice.payment_failed", "invoice.payment_action_required",
        "invoice.finalization_failed", "invoice.marked_uncollectible", "invoice.voided",
        "customer.updated", "customer.deleted",
        "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
        "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
        "radar.early_fraud_warning.created", "charge.refunded",
        "price.created", "price.updated", "price.deleted", "product.updated",
    }
)  # fmt: skip
_MOST_ID_CHARACTERS = 255
_LAST_SECOND = 253_402_300_799  # of the year 9999


class Event(NamedTuple):
    """One message; `object` is the snapshot, of a thin event empty but for id and type."""

    id: str
    type: str  # without the `v1.` of thin events
    created: datetime
    livemode: bool
    account: str | None  # somebody else's account, in messages of Stripe Connect
    thin: bool
    object: dict[str, Any]

    @property
    def wanted(self) -> bool:
        """Whether we act on such messages."""
        return self.type in WANTED


def read(body: bytes | str) -> Event:
    """A message as it stood on the wire; raises `ValueError` when it is no event of Stripe's."""
    told = orjson.loads(body)
    if not isinstance(told, dict):
        raise ValueError("no object")
    thin = told.get("object") == "v2.core.event"
    object_ = told.get("related_object") if thin else _dict(told.get("data")).get("object")
    # A thin event about no object of ours, such as an account's, is not wanted anyway.
    if not isinstance(object_, dict) and not (thin and object_ is None):
        raise ValueError("data.object is missing")
    return Event(
        _id(told.get("id")),
        _text(told.get("type")).removeprefix("v1." if thin else ""),
        moment(told.get("created")) or _no_time(),
        told.get("livemode") is True,
        account if isinstance(account := told.get("account"), str) else None,
        thin,
        object_ or {},
    )


def moment(value: object) -> datetime | None:
    """A time as seconds since 1970 or as ISO 8601 text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND:
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found.astimezone(UTC) if found.tzinfo and 1970 < found.year < 9999 else None
    return None


def id_of(value: object) -> str | None:
    """The id of what a field refers to, be it an id or the expanded object."""
    found = value.get("id") if isinstance(value, dict) else value
    is_id = isinstance(found, str) and 0 < len(found) <= _MOST_ID_CHARACTERS and "\0" not in found
    return str(found) if is_id else None


def items_of(value: object) -> list[dict[str, Any]]:
    """The objects in a field that holds a list of Stripe's, or none."""
    found = _dict(value).get("data")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text_of(value: object, name: str) -> str | None:
    """A text in an object's field; None when there is none."""
    found = _dict(value).get(name)
    return found if isinstance(found, str) and found and "\0" not in found else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id(value: object) -> str:
    if (found := id_of(value)) is None:
        raise ValueError("id is missing or no id")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_ID_CHARACTERS or "\0" in value:
        raise ValueError("type is missing or no text")
    return value


def _no_time() -> datetime:
    raise ValueError("created is no time")
