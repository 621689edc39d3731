"""From a journal item to the columns of `analytics_events`."""

from datetime import UTC, datetime
from functools import cache, lru_cache
from uuid import UUID

import orjson

from base.errors import Permanent
from base.ids import ms_of
from base.settings import settings
from rules import money
from rules.enrich import enrich
from schemas.items import Item
from workers import bot_lists
from workers.countries import Country, open_country

# user, campaign, event_type, source, metadata as JSON, revenue, created_at: text or NULL.
Row = tuple[str, str | None, str, str | None, str, str | None, str]

TYPES = frozenset({"click", "view", "conversion", "refund", "rebill"})


@cache
def _country() -> Country:
    return open_country(settings().geo_file)


@lru_cache(100_000)
def _uuid(text: str) -> str:
    return str(UUID(text))


@lru_cache(4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _moment(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}+00"


def row_of(item: Item, campaign: str | None) -> Row:
    """The row of one item; raises `Permanent` when the item is not one a door makes.

    Repeatable: the same item gives the same row. `campaign` is what attribution found, for an
    item that only names a click.
    """
    try:
        if item["type"] not in TYPES:
            raise Permanent(f"no such event type: {item['type']}")
        meta = dict(item["meta"])
        own = bot_lists.lists().verdict(item["user"], meta.get("ua"), meta.get("ip"))
        enrich(meta, _country(), own=own)
        meta["click_id"] = item.get("click") or item["id"]
        if "campaign" not in item and campaign is None:
            meta["orphan"] = True  # the click it names is not one of this user's
        return (
            _uuid(item["user"]),
            _uuid(found) if (found := item.get("campaign") or campaign) else None,
            item["type"],
            item.get("source"),
            orjson.dumps(meta).decode(),
            _revenue(item, meta),
            _moment(ms_of(item["id"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Permanent(f"not an item: {type(error).__name__}") from error


def payment_row(
    item: Item,
    event_type: str,
    campaign: str | None,
    source: str | None,
    revenue: str | None,
    meta: dict[str, object],
) -> Row:
    """The row of a payment, as was decided; `meta` is complete but for what `enrich` adds."""
    enrich(meta, _country())
    return (
        _uuid(item["user"]),
        campaign,
        event_type,
        source,
        orjson.dumps(meta).decode(),
        revenue,
        _moment(ms_of(item["id"])),
    )


def _revenue(item: Item, meta: dict[str, object]) -> str | None:
    amount = item.get("amount")
    if amount is None:
        return None
    currency = item.get("currency", "USD")
    if currency != "USD":
        return None  # the original amount and currency are in the metadata
    return str(money.signed(item["type"], money.amount(amount)))
