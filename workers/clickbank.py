"""ClickBank's notifications: opened, kept in the inbox as they came, and told as payments.

The body stays encrypted where it is kept, since it holds a customer's name and address; a
message that could not be opened is a dead letter that is tried again once the secret is right.
"""

import base64
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg

from base.errors import Transient
from base.logs import log
from base.sealing import Unsealable, seal, unseal
from base.settings import settings
from db import integrations, webhooks, work
from db.connection import Tx, transaction
from db.integrations import IntegrationRow
from db.webhooks import Arrival, Webhook
from journal.streams import Kind
from rules import ins
from rules.ins_cipher import Sealed, Undecryptable, decrypt, verify, wire
from schemas.ins import Notification, Unreadable
from schemas.ins import read as read_notification
from schemas.integrations import read as read_settings
from schemas.items import Item
from workers import controls, inbox
from workers.broker import actor
from workers.outcome import Found, Outcome
from workers.queues import Queue
from workers.stopping import stopping
from workers.store import write

SOURCE = "clickbank"
_CLAIM = 200
_LEASE_SECONDS = 30
_SILENT_SECONDS = 10.0
_MOST_DELAY_SECONDS = 60.0


class Handled(NamedTuple):
    """What was made of one message: `state` done with an outcome, or dead with a reason."""

    state: str
    outcome: str | None
    reason: str | None = None
    error: str | None = None
    told: Notification | None = None
    item: Item | None = None  # when it is a payment


def take(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Keep each message with what was made of it; payments go on as items of their own."""
    known = integrations.by_id(tx, _named(found))
    arrivals, payments = [], []
    for one in found:
        item, integration = one.item, known.get(one.item.get("integration", ""))
        if integration is None:
            outcome.gone += 1
            outcome.end([one], "gone")
            continue
        body = item.get("body", "").encode("latin-1", "replace")
        handled = handle(body, item["id"], integration)
        arrivals.append(_arrival(item, integration, body, handled))
        if handled.item is None:
            outcome.stored += 1
            outcome.end([one], "stored")
        else:
            payments.append(Found(one.batch, one.position, handled.item))
    webhooks.take(tx, arrivals)
    return payments


inbox.TAKES["ins"] = take


def _named(found: list[Found]) -> set[str]:
    """The integrations' ids; what is none may have been edited into a dead letter."""
    named = set()
    for one in found:
        with suppress(ValueError):
            named.add(str(UUID(one.item.get("integration", ""))))
    return named


def _arrival(item: Item, integration: IntegrationRow, body: bytes, handled: Handled) -> Arrival:
    told = handled.told
    return Arrival(
        handled.state, handled.outcome, handled.reason, SOURCE, item["id"], integration.id,
        integration.user_id, told.type if told else None, told.receipt or None if told else None,
        body, told.occurred if told else None, handled.error,
    )  # fmt: skip


def handle(body: bytes, arrived: str, integration: IntegrationRow) -> Handled:
    """What to make of a message that the door took under the id `arrived`."""
    chosen = read_settings(integration.settings)
    try:
        told = _opened(body, _secret(integration.sealed), legacy=chosen.legacy)
        word = ins.outcome(told, chosen)
    except (Undecryptable, Unsealable) as error:
        return Handled("dead", None, "undecryptable", str(error))
    except Unreadable as error:
        return Handled("dead", None, "unreadable", str(error))
    if word == ins.UNKNOWN_TYPE:
        log().warning("clickbank.unknown_type", type=told.type, integration=integration.id)
    if word != ins.RECORDED:
        return Handled("done", word, told=told)
    item = ins.item(told, arrived, integration.user_id, integration.id, integration.campaign_id)
    if told.email and told.role == "VENDOR" and item["type"] == "conversion":
        item["buyer"] = base64.b64encode(seal(told.email.encode(), settings())).decode()
    return Handled("done", word, told=told, item=item)


def _opened(body: bytes, secret: str, *, legacy: bool) -> Notification:
    carried = wire(body)
    if carried is None:
        raise Unreadable("It is neither JSON nor a form with the two strings of a notification.")
    if isinstance(carried, Sealed):
        return read_notification(decrypt(carried, secret))
    if not legacy:
        raise Unreadable("It is a form post of versions 1 to 5, which the integration forbids.")
    verify(carried, secret)
    return ins.from_form(carried)


@lru_cache(4096)
def _secret(sealed: str) -> str:
    """The account's secret key; raises `Unsealable`, also when there is none."""
    found = orjson.loads(unseal(bytes.fromhex(sealed), settings())).get("secret")
    if not found:
        raise Unsealable("The integration has no secret key: `hopfleet integrations rotate`.")
    return str(found)


@actor("webhooks.redo", queue=Queue.WEBHOOKS, time_limit_seconds=60)
def redo() -> None:
    """Handle again what a person has asked for; what was counted is not counted twice."""
    with transaction(limit_seconds=_SILENT_SECONDS) as tx:
        work.reclaim(tx, Webhook)
        rows = work.claim(tx, Webhook, _CLAIM, _LEASE_SECONDS, SOURCE)
    for at, row in enumerate(rows):
        if stopping() or not controls.may_claim(Queue.WEBHOOKS):
            with transaction(limit_seconds=_SILENT_SECONDS) as tx:
                work.give_back(tx, Webhook, [(one["id"], one["attempts"]) for one in rows[at:]])
            return
        try:
            with transaction(limit_seconds=_SILENT_SECONDS) as tx:
                again(tx, row)
        except (Transient, psycopg.OperationalError) as error:
            log().warning("webhook.postponed", id=row["id"], reason=str(error))


def again(tx: Tx, row: dict[str, Any]) -> None:
    """Handle a claimed message of the inbox once more, in this transaction."""
    known = integrations.by_id(tx, [str(row["integration_id"])])
    integration = known.get(str(row["integration_id"]))
    if integration is None:
        _end(tx, row, Handled("done", "gone"))
        return
    handled = handle(bytes(row["body"]), row["external_id"], integration)
    if handled.item is None:
        _end(tx, row, handled)
        return
    outcome = Outcome(Kind.CONVERSIONS)
    write(tx, [Found("", 0, handled.item)], outcome)
    if not outcome.held:
        _end(tx, row, handled)
        return
    held = outcome.held[0]
    if held.state == "dead":
        _end(tx, row, handled._replace(state="dead", reason=held.reason, error=held.error))
        return
    delay = min(2.0 ** min(row["attempts"], 10), _MOST_DELAY_SECONDS)
    _sure(work.retry(tx, Webhook, row["id"], row["attempts"], delay, held.reason))


def _end(tx: Tx, row: dict[str, Any], handled: Handled) -> None:
    if handled.state == "dead":
        words = (handled.reason or "", handled.error)
        _sure(work.bury(tx, Webhook, row["id"], row["attempts"], *words))
    else:
        _sure(work.finish(tx, Webhook, row["id"], row["attempts"], handled.outcome or ""))
    if (told := handled.told) is not None:
        webhooks.learn(tx, row["id"], told.type, told.receipt or None, told.occurred)


def _sure(mine: bool) -> None:
    if not mine:
        raise Transient("The lease was lost.")  # undoes what was written, too
