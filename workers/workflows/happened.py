"""What facts look like: one function a kind, for those that no trigger of the database writes."""

from typing import Any

import orjson

from base.ids import ms_of, time_of
from db.workflow_events import Fact
from rules.payments import trust_word
from rules.times import iso, iso_ms
from schemas.workflow_events import HANDED_ON, Kind
from workers.cases import Case
from workers.outcome import Found


def click(found: Found) -> Fact | None:
    """A click that is stored; None when it is no person's."""
    assert found.row is not None
    user, campaign, _, source, metadata, _, _ = found.row
    meta = orjson.loads(metadata)
    if meta.get("bot") or meta.get("duplicate_of"):
        return None
    item_id = found.item["id"]
    data = {
        "type": Kind.CLICK,
        "id": item_id,
        "click_id": item_id,
        "campaign_id": campaign,
        "source": source,
        "occurred_at": iso_ms(ms_of(item_id)),
    } | _handed_on(meta)
    return Fact(Kind.CLICK, user, campaign, item_id, as_json(data), time_of(item_id))


def payment(
    case: Case, kind: str, event_id: str, revenue: str | None, source: str | None,
    meta: dict[str, Any],
) -> Fact:  # fmt: skip
    """A payment that counts and that somebody trusted tells of; `meta` is its row's."""
    receipt = case.report.receipt if case.named else None
    data = {
        "type": kind,
        "id": event_id,
        "click_id": case.match.click_id,
        "campaign_id": case.match.campaign_id,
        "revenue": revenue,
        "amount": case.item.get("amount"),
        "currency": case.currency,
        "source": source,
        "receipt": receipt,
        "order_id": receipt,
        "role": case.report.role or None,
        "reason": meta.get("reason"),
        "trust": trust_word(case.report.door),
        "orphan": bool(meta.get("orphan")),
        "occurred_at": iso(case.at),
    } | _handed_on(meta)
    return Fact(
        kind, case.user, case.match.campaign_id, receipt or event_id, as_json(data), case.at
    )  # fmt: skip


def _handed_on(meta: dict[str, Any]) -> dict[str, Any]:
    return {name: meta[name] for name in HANDED_ON if name in meta}


def as_json(data: dict[str, Any]) -> str:
    """The data as its column takes it."""
    return orjson.dumps(data).decode()
