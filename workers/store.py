"""One drain's transaction: ledger, owners, rows; what cannot be a row is held, not lost."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from psycopg import errors as sql

from base.errors import Permanent, Transient
from base.ids import is_click_id, time_of
from base.logs import log
from db import audit, events, held, idempotency, ledger, owners, partitions
from db.connection import Tx, transaction
from journal.claims import Claimed
from journal.streams import Kind
from schemas.items import READABLE, Item, fault, unpack
from workers import inbox, payments
from workers.outcome import PAYMENTS, Found, Outcome
from workers.rows import Row, row_of
from workers.workflows import telling

# What PostgreSQL says when it looked at a value and refused it. All else is an outage.
# RaiseException is a trigger's: the platform's own application may have one on the table.
REFUSALS = (sql.DataError, sql.IntegrityError, sql.ProgramLimitExceeded, sql.RaiseException)

LEDGER_DAYS = 14
AHEAD_DAYS = 2  # a door's clock may be wrong, but not by more


def store(
    tx: Tx, kind: Kind, claimed: list[Claimed], at: datetime, outcome: Outcome | None = None
) -> list[Claimed]:
    """Write the batches the ledger has not seen; returns those that may be acknowledged.

    Batches of an unknown version are not among them: they wait for a release that reads them.
    `at` is the database's time: this host's may be days wrong. `outcome` is filled, and true
    once the transaction is committed.
    """
    readable = [batch for batch in claimed if batch.version in READABLE or not batch.id]
    outcome = outcome or Outcome(kind)
    fresh = _admit(tx, readable, outcome, at)
    structlog.contextvars.bind_contextvars(batch_ids=[batch.id for batch in fresh[:5]])
    found = [one for batch in fresh for one in _items(batch, outcome)]
    write(tx, found, outcome)
    held.hold(tx, outcome.held)
    audit.record(tx, outcome.ended())
    _say(outcome)
    return readable


def _admit(tx: Tx, batches: list[Claimed], outcome: Outcome, today: datetime) -> list[Claimed]:
    """Those not stored before; too old or too new ones become dead letters instead."""
    within = []
    for batch in batches:
        if not is_click_id(batch.id):
            if batch.body:  # else an entry's shell, deleted by whoever stored it
                place = _place(batch)
                outcome.bury_batch(batch, "unreadable", place=place)
            continue
        moment = time_of(batch.id)
        if moment < today - timedelta(days=LEDGER_DAYS) and not ledger.covers(tx, moment):
            outcome.bury_batch(batch, "stale")
        elif moment > today + timedelta(days=AHEAD_DAYS):
            outcome.bury_batch(batch, "clock_ahead")
        else:
            within.append(batch)
    try:
        new = ledger.admit(tx, [batch.id for batch in within])
    except sql.CheckViolation as error:
        _make_ledger_days()
        raise Transient("The ledger's partition for this day was missing.") from error
    # A batch may stand twice in one claim: once from the journal, once from a spool.
    first = {batch.id: batch for batch in reversed(within) if batch.id in new}
    return list(first.values())


def _place(batch: Claimed) -> str:
    """A UUIDv7 for a batch without an id of its own: the same each time it is seen."""
    ms, number = batch.entry.split(b"-")
    return f"{int(ms):012x}7000{(1 << 63) | int(number):016x}"


def _make_ledger_days() -> None:
    with transaction() as tx:
        ledger.make_partitions(tx)


def _items(batch: Claimed, outcome: Outcome) -> Iterable[Found]:
    try:
        items = unpack(batch.body)
    except ValueError as error:
        outcome.bury_batch(batch, "unreadable", str(error))
        return
    for position, item in enumerate(items):
        yield Found(batch.id, position, item)


def write(tx: Tx, found: list[Found], outcome: Outcome) -> None:
    """Items become rows, or say in `outcome` why not; the caller holds those."""
    if outcome.kind is Kind.WEBHOOKS:
        found = inbox.take(tx, found, outcome)
    found, told = _split(found, outcome)
    _pay(tx, told, outcome)
    readable = _shape(tx, found, outcome)
    owned = _owned(tx, readable, outcome)
    first = _first(tx, owned, outcome)
    refused = _insert(tx, first)
    for one, error in refused:
        outcome.bury(one, _reason(error), _first_line(error))
    outcome.stored += len(first) - len(refused)
    if refused:
        buried = {id(one) for one, _ in refused}
        first = [one for one in first if id(one) not in buried]
    outcome.end(first, "stored")
    if outcome.is_news:
        outcome.told += telling.clicks(tx, first)


def _split(found: list[Found], outcome: Outcome) -> tuple[list[Found], list[Found]]:
    """Clicks and views, and payments; what is no item is buried."""
    others: list[Found] = []
    told: list[Found] = []
    for one in found:
        if (why := fault(one.item)) is not None:
            outcome.bury(one, "unreadable", f"not an item: {why}")
        else:
            (told if one.item["type"] in PAYMENTS else others).append(one)
    return others, told


def _pay(tx: Tx, told: list[Found], outcome: Outcome) -> None:
    """Payments become events; one that PostgreSQL refuses when tried alone is buried.

    Halves are tried each for itself: what a payment is depends on those before it, so nothing
    of a refused half may stay.
    """
    if not told:
        return
    try:
        with tx.transaction():
            ended = payments.settle(tx, told)
    except REFUSALS as error:
        if len(told) == 1:
            outcome.bury(told[0], _reason(error), _first_line(error))
            return
        half = len(told) // 2
        _pay(tx, told[:half], outcome)
        _pay(tx, told[half:], outcome)
        return
    outcome.paid(ended)


def _shape(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    campaigns = _campaigns_of_clicks(tx, found)
    shaped = []
    for one in found:
        try:
            one.row = row_of(one.item, campaigns.get(one.item.get("click", "")))
        except Permanent as error:
            outcome.bury(one, "unreadable", str(error))
        else:
            shaped.append(one)
    return shaped


def _campaigns_of_clicks(tx: Tx, found: list[Found]) -> dict[str, str]:
    """For items that name a click and no campaign: the click's campaign, per click id."""
    wanted: dict[str, list[str]] = {}
    for one in found:
        item = one.item
        if "click" in item and "campaign" not in item and is_click_id(item["click"]):
            with suppress(ValueError):  # no UUID: its row will say so
                wanted.setdefault(str(UUID(item["user"])), []).append(item["click"])
    campaigns: dict[str, str] = {}
    for user, clicks in wanted.items():
        campaigns |= events.find_click(tx, user, clicks)
    return campaigns


def _owned(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Items whose user and campaign we hold; the others are gone, or wait for a lock."""
    users = {one.row[0] for one in found if one.row}
    campaigns = {one.row[1] for one in found if one.row and one.row[1]}
    our_users, our_campaigns = owners.lock(tx, list(users), list(campaigns))
    if our_users == users and our_campaigns == campaigns:
        return found
    all_users, all_campaigns = owners.existing(tx, list(users), list(campaigns))
    owned = []
    for one in found:
        assert one.row is not None
        user, campaign = one.row[0], one.row[1]
        if user in our_users and (campaign is None or campaign in our_campaigns):
            owned.append(one)
        elif user in all_users and (campaign is None or campaign in all_campaigns):
            outcome.defer(one)
        else:
            outcome.gone += 1
            outcome.end([one], "gone")
    return owned


def _first(tx: Tx, found: list[Found], outcome: Outcome) -> list[Found]:
    """Items whose sender's own id was not seen before, or that have none."""
    keys = [_key(one.row, one.item) for one in found if one.row and "event_id" in one.item]
    if not keys:
        return found
    ours = idempotency.claim(tx, keys)
    first: list[Found] = []
    repeats: list[Found] = []
    for one in found:
        assert one.row is not None
        is_first = "event_id" not in one.item or _key(one.row, one.item) in ours
        (first if is_first else repeats).append(one)
    outcome.duplicates += len(repeats)
    outcome.end(repeats, "duplicate")
    return first


def _key(row: Row, item: Item) -> tuple[str, str, str]:
    return row[0], item["event_id"], item["id"]


def _insert(tx: Tx, found: list[Found]) -> list[tuple[Found, Exception]]:
    """Insert all rows but those PostgreSQL refuses when tried alone; returns these."""
    if not found:
        return []
    try:
        with tx.transaction():  # a savepoint: a refusal must not undo the rest
            events.copy(tx, [one.row for one in found if one.row])
    except REFUSALS as error:
        if len(found) == 1:
            return [(found[0], error)]
        if isinstance(error, sql.CheckViolation) and (split := _by_missing_month(tx, found)):
            inside, outside = split
            return _insert(tx, inside) + [(one, error) for one in outside]
        half = len(found) // 2
        return _insert(tx, found[:half]) + _insert(tx, found[half:])
    return []


def _by_missing_month(tx: Tx, found: list[Found]) -> tuple[list[Found], list[Found]] | None:
    """Rows with and without a partition; None when each has one. Spares a halving per row."""
    months = partitions.months(tx)
    inside: list[Found] = []
    outside: list[Found] = []
    for one in found:
        moment = time_of(one.item["id"])
        (inside if (moment.year, moment.month) in months else outside).append(one)
    return (inside, outside) if outside else None


def _reason(error: Exception) -> str:
    if isinstance(error, sql.CheckViolation) and "no partition" in str(error):
        return "no_partition"
    return f"refused_{getattr(error, 'sqlstate', None) or 'value'}"


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0][:500]


def _say(outcome: Outcome) -> None:
    facts = {"kind": str(outcome.kind), **outcome.counts()}
    if facts["dead"]:
        log().warning("events.stored", **facts)
    elif outcome.stored or outcome.held:
        log().debug("events.stored", **facts)
