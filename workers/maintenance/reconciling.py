"""Reconciling with ClickBank: what its notifications have lost is counted after all.

A notification that we did not take within sixteen hours never comes again, but the account's
orders can be read. What is missing is told to the same core as a payment of the same integration,
marked `reconciled`; everything else that differs is listed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from base.clock import now, wall_ms
from base.errors import Permanent
from base.ids import uuid7_hex
from base.sealing import Unsealable, unseal
from base.settings import settings
from db import integrations, orders, receipts, webhooks
from db.connection import Tx, transaction
from db.integrations import IntegrationRow
from db.webhooks import Arrival
from integrations.clickbank import ClickBank
from journal.streams import Kind
from rules import ins
from rules.ins_gaps import UNKNOWN_THERE, Difference, Key, compare, key_of
from rules.payments import base_of, payments
from schemas.clickbank_orders import notification
from schemas.integrations import read as read_settings
from schemas.items import Door, Item
from workers.outcome import Found, Outcome
from workers.store import write

SOURCE = "clickbank_api"  # of the nightly runs, among the webhooks
KIND = "hopfleet.reconcile"
NIGHTLY_DAYS = 7
_WINDOW = timedelta(days=31)  # of one question
_EDGE = timedelta(days=1)  # its days are not ours: near the edges a payment may be of another
_MOST_PAGES = 5_000  # a fifth of an account's requests of a day
_MOST_DIFFERENCES = 1_000
_LIMIT_SECONDS = 10.0


@dataclass
class Report:
    """What a run found; `waiting` are payments whose click may still come, for the next run."""

    orders: int = 0
    added: int = 0
    waiting: int = 0
    refused: int = 0
    unreadable: int = 0
    receipts: list[str] = field(default_factory=list)  # of those added
    differences: list[Difference] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.__dict__, "differences": [one._asdict() for one in self.differences]}


def accounts(tx: Tx) -> list[tuple[IntegrationRow, str]]:
    """ClickBank's integrations that have an API key, with it."""
    rows = integrations.of_network(tx, "clickbank")
    return [(row, key) for row in rows if (key := api_key(row)) is not None]


def api_key(row: IntegrationRow) -> str | None:
    """The account's API key; None when it has none, or nothing opens it."""
    try:
        found = orjson.loads(unseal(bytes.fromhex(row.sealed), settings())).get("api_key")
    except Unsealable:
        return None
    return str(found) if found else None


def owe_nightly() -> None:
    """Have each account looked at once in the night that is now, whichever scheduler is first."""
    moment = now()
    with transaction(wait_seconds=2.0, limit_seconds=_LIMIT_SECONDS) as tx:
        webhooks.take(
            tx,
            [
                Arrival(
                    "pending", None, None, SOURCE, f"{row.id}:{moment:%Y-%m-%d}", row.id,
                    row.user_id, KIND, None, b"{}", moment,
                )
                for row, _ in accounts(tx)
            ],
        )  # fmt: skip


def reconcile(
    row: IntegrationRow, client: ClickBank, since: datetime, until: datetime,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Report | None:  # fmt: skip
    """Hold an account's orders against the ledger; None when it had to stop before the end.

    Raises `ClickBankAway` and `ClickBankRefused`; what was added until then stays.
    """
    report, seen, pages = Report(), set[Key](), 0
    first = since
    while first < until:
        last, page, more = min(first + _WINDOW, until), 1, True
        while more:
            if not may_go_on() or pages >= _MOST_PAGES:
                return None
            told, more = client.orders(first.date(), last.date(), page)
            page, pages = page + 1, pages + 1
            _hold(row, told, report, seen)
        first = last
    _find_unknown(row, since + _EDGE, until - _EDGE, report, seen)
    return report


def _hold(
    row: IntegrationRow, told: Iterable[dict[str, Any]], report: Report, seen: set[Key]
) -> None:
    """One page: what is missing becomes payments, in one transaction."""
    items = [item for one in told if (item := _item(row, one, report)) is not None]
    seen.update(map(key_of, items))
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        # Locked, so that a notification that comes at this moment is before us or behind us.
        # With the sales before upsells, as payments lock them: later would be out of order.
        named = [item[name] for item in items for name in ("receipt", "parent") if name in item]
        held = orders.lock(tx, {(row.user_id, base_of(one)) for one in named})
        known: dict[str, list[Any]] = {}
        for facts in receipts.of_orders(tx, [one.id for one in held.values()]).values():
            for one in payments(facts).values():
                known.setdefault(one.receipt, []).append(one)
        missing, differences = compare(items, known)
        outcome = Outcome(Kind.CONVERSIONS)
        if missing:
            write(tx, [Found("", at, item) for at, item in enumerate(missing)], outcome)
    not_added = {one.position for one in outcome.held}
    report.waiting += sum(one.state != "dead" for one in outcome.held)
    report.refused += sum(one.state == "dead" for one in outcome.held)
    added = [item["receipt"] for at, item in enumerate(missing) if at not in not_added]
    report.added += len(added)
    report.receipts += added
    report.differences += differences[: _MOST_DIFFERENCES - len(report.differences)]


def _item(row: IntegrationRow, order: dict[str, Any], report: Report) -> Item | None:
    """An order as a payment; None when it is none that counts for the account."""
    report.orders += 1
    try:
        told = notification(order)
        if ins.outcome(told, read_settings(row.settings)) != ins.RECORDED:
            return None
        item = ins.item(told, uuid7_hex(wall_ms()), row.user_id, row.id, row.campaign_id)
    except Permanent:
        report.unreadable += 1
        return None
    item["meta"]["reconciled"] = True
    return item


def _find_unknown(
    row: IntegrationRow, since: datetime, until: datetime, report: Report, seen: set[Key]
) -> None:
    """Payments of notifications that ClickBank's list does not have."""
    with transaction(limit_seconds=_LIMIT_SECONDS) as tx:
        counted = receipts.counted(tx, row.user_id, row.id, Door.CLICKBANK, since, until)
    theirs = {key[:2] for key in seen}
    for one in counted:
        # Its list has no kind of returned bank debits.
        if (one.receipt, one.type) in theirs or one.reason == "insf":
            continue
        if len(report.differences) < _MOST_DIFFERENCES:
            ours = None if one.amount is None else f"{abs(one.amount):f}"
            report.differences.append(
                Difference(UNKNOWN_THERE, one.receipt, one.type, one.role, ours, None)
            )
