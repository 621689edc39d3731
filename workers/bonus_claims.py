"""Claims: buyers' words are taken in from the journal, and held against what was sold."""

import base64
import binascii
from typing import Any

from base.errors import Permanent
from base.logs import log
from base.sealing import unseal
from base.settings import settings
from db import bonus_claims, deliveries, orders, owners, receipts, work
from db.bonus_claims import BonusClaim, ClaimRow, Told
from db.connection import Tx, transaction
from db.deliveries import Sold, Waiting
from db.orders import OrderRow
from rules.bonuses import answer, receipts_of, sale_of, wait_seconds
from rules.emails import is_same
from workers import controls, inbox
from workers.outcome import Found, Outcome
from workers.queues import Queue
from workers.stopping import stopping

CHUNK = 500
LEASE_SECONDS = 30.0
LIMIT_SECONDS = 15.0
_MOST_CHUNKS = 50  # a run; the sweep comes back within a second


def take(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Keep claims whose users are there; an actor holds them against orders."""
    users = {one.item["user"] for one in found}
    held, _ = owners.lock(tx, users, [])
    there, _ = owners.existing(tx, users - held, []) if users - held else (set(), set())
    told: dict[str, tuple[Found, Told]] = {}
    for one in found:
        user = one.item["user"]
        if user in held:
            _keep(one, told, outcome)
        elif user in there:
            outcome.defer(one)
        else:
            outcome.gone += 1
            outcome.end([one], "gone")
    new = bonus_claims.take(tx, [row for _, row in told.values()])
    outcome.end([one for item_id, (one, _) in told.items() if item_id in new], "stored")
    outcome.end([one for item_id, (one, _) in told.items() if item_id not in new], "duplicate")
    return []


def _keep(one: Found, told: dict[str, tuple[Found, Told]], outcome: Outcome) -> None:
    item = one.item
    try:
        address = base64.b64decode(item["buyer"], validate=True)
        row = Told(
            item["id"], item["user"], item["campaign"], item["receipt"], address,
            item["meta"].get("ip", ""),
        )  # fmt: skip
    except (KeyError, binascii.Error, ValueError) as error:
        outcome.bury(one, "unreadable", f"no claim: {type(error).__name__}")
    else:
        if row.item_id in told:
            outcome.end([one], "duplicate")
        else:
            told[row.item_id] = one, row


inbox.TAKES["claim"] = take


def match() -> None:
    """Hold each due claim against what was sold, some at a time."""
    for _ in range(_MOST_CHUNKS):
        if stopping() or not controls.may_claim(Queue.BONUSES):
            return
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            work.reclaim(tx, BonusClaim)
            rows = bonus_claims.claim(tx, CHUNK, LEASE_SECONDS)
        if not rows:
            return
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            _match(tx, rows)


def _match(tx: Tx, rows: list[ClaimRow]) -> None:
    """One transaction for all: orders first, then deliveries, as everybody locks them."""
    found = orders.hold(
        tx, [(row.user_id, receipt) for row in rows for receipt in receipts_of(row.receipt)]
    )
    by_claim = {row.id: _order(row, found) for row in rows}
    sold = {order.id: order for order in by_claim.values() if order is not None}
    _owe(tx, list(sold.values()))
    owed: dict[int, list[Waiting]] = {}
    for one in deliveries.hold(tx, sold):
        if one.revoked_at is None:
            owed.setdefault(one.order_id, []).append(one)
    waiting = []
    for row in rows:
        order = by_claim[row.id]
        mine = owed.get(order.id) if order is not None else None
        if order is not None and mine:
            # Each sees what the one before it has changed.
            outcome, owed[order.id] = _claimed(tx, row, order.id, mine)
            log().info("claim.matched", id=row.id, outcome=outcome)
        else:
            waiting.append((row.id, row.attempts, wait_seconds(row.attempts, row.age_seconds)))
    bonus_claims.wait(tx, waiting)


def _order(row: ClaimRow, found: dict[tuple[str, str], OrderRow]) -> OrderRow | None:
    """The order a claim means, when it is this campaign's."""
    for receipt in receipts_of(row.receipt):
        order = found.get((row.user_id, receipt))
        if order is not None and order.campaign_id == row.campaign_id:
            return order
    return None


def _owe(tx: Tx, held: list[OrderRow]) -> None:
    """Bonuses that were added after a sale are owed as soon as its buyer asks."""
    facts = receipts.of_orders(tx, [order.id for order in held])
    sales = []
    for order in held:
        sale = sale_of(facts.get(order.id, []))
        if sale is not None and order.campaign_id is not None:
            sales.append(
                Sold(order.user_id, order.campaign_id, order.id, sale.receipt, sale.event_id)
            )
    deliveries.owe(tx, sales)


def _claimed(
    tx: Tx, row: ClaimRow, order_id: int, mine: list[Waiting]
) -> tuple[str, list[Waiting]]:
    """What a claim's deliveries do for it: its outcome, and the deliveries as they are now."""
    address = _opened(row.address)
    if address is None or row.address is None:
        bonus_claims.end(tx, row, "unreadable")
        return "unreadable", mine
    said = {one.id: _answer(one, address) for one in mine}
    if "another" in said.values():
        outcome = "another_address"
    elif "enough" in said.values():
        outcome = "repeated"
    else:
        outcome = "matched"
        for word in ("send", "again"):
            chosen = {one.id: row.address for one in mine if said[one.id] == word}
            deliveries.send_to(tx, chosen, again=word == "again")
        mine = deliveries.hold(tx, [order_id])
    bonus_claims.end(tx, row, outcome, order_id if outcome == "matched" else None)
    return outcome, [one for one in mine if one.revoked_at is None]


def _answer(one: Waiting, address: str) -> Any:
    secrets = (settings().secret, *settings().secrets_before)
    same = False
    if one.address is not None:
        known = _opened(one.address)
        same = known is not None and known.lower() == address.lower()
    elif one.address_digest is not None:
        same = is_same(secrets, one.address_digest, address)
    return answer(
        delivered=one.delivered_at is not None,
        dead=one.state == "dead",
        has_address=one.address is not None or one.address_digest is not None,
        is_same=same,
        repeats=one.repeats,
    )


def _opened(sealed: bytes | None) -> str | None:
    try:
        return unseal(sealed, settings()).decode() if sealed is not None else None
    except (Permanent, UnicodeDecodeError) as error:
        log().warning("address.unreadable", reason=str(error))
        return None
