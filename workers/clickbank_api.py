"""ClickBank's orders, each night: one account after the other, as work rows among the webhooks."""

from datetime import timedelta
from typing import Any

import orjson

from base.errors import Permanent, Transient
from base.logs import log
from base.settings import settings
from db import integrations, webhooks, work
from db.connection import transaction
from db.webhooks import Webhook
from integrations.clickbank import ClickBank, ClickBankBusy
from workers import controls
from workers.broker import actor
from workers.clickbank_turns import BudgetSpent, turns
from workers.maintenance.reconciling import NIGHTLY_DAYS, SOURCE, Report, api_key, reconcile
from workers.queues import Queue
from workers.stopping import stopping, wait

_LEASE_SECONDS = 900  # above the actor's limit: a lease never runs out under its feet
_AGAIN_SECONDS = 900.0
_LIMITED_SECONDS = 3 * 3600.0  # a day's limits do not end within minutes
_MOST_ATTEMPTS = 8
_SILENT_SECONDS = 10.0


@actor("clickbank.reconcile", queue=Queue.MAINTENANCE, time_limit_seconds=600)
def run() -> None:
    """Reconcile the accounts that are due."""
    while _may_go_on():
        with transaction(limit_seconds=_SILENT_SECONDS) as tx:
            work.reclaim(tx, Webhook)
            rows = work.claim(tx, Webhook, 1, _LEASE_SECONDS, SOURCE)
        if not rows:
            return
        _reconcile(rows[0])


def _may_go_on() -> bool:
    return not stopping() and controls.may_claim(Queue.MAINTENANCE)


def _reconcile(row: dict[str, Any]) -> None:
    claim = (row["id"], row["attempts"])
    try:
        report = _ask(row)
    except (Transient, Permanent) as error:
        with transaction(limit_seconds=_SILENT_SECONDS) as tx:
            if isinstance(error, Permanent) or row["attempts"] >= _MOST_ATTEMPTS:
                work.bury(tx, Webhook, *claim, "not_reconciled", str(error))
            else:
                limited = isinstance(error, BudgetSpent | ClickBankBusy)
                seconds = _LIMITED_SECONDS if limited else _AGAIN_SECONDS
                work.retry(tx, Webhook, *claim, seconds, str(error))
        return
    if report is not None:
        log().info("clickbank.reconciled", integration=str(row["integration_id"]),
                   orders=report.orders, added=report.added,
                   differences=len(report.differences))  # fmt: skip
    with transaction(limit_seconds=_SILENT_SECONDS) as tx:
        if report is None:
            work.give_back(tx, Webhook, [claim])
        elif webhooks.save(tx, *claim, orjson.dumps(report.shown())):
            work.finish(tx, Webhook, *claim, "reconciled")


def _ask(row: dict[str, Any]) -> Report | None:
    with transaction(limit_seconds=_SILENT_SECONDS) as tx:
        found = integrations.by_id(tx, [str(row["integration_id"])])
    account = found.get(str(row["integration_id"]))
    key = None if account is None else api_key(account)
    if account is None or key is None:
        return Report()  # deleted since, or without a key
    until = row["occurred_at"] + timedelta(days=1)
    since = until - timedelta(days=NIGHTLY_DAYS + 1)
    turn = turns(key, wait)
    with ClickBank(key, settings().clickbank_api_url, wait, turn=turn) as client:
        return reconcile(account, client, since, until, _may_go_on)
