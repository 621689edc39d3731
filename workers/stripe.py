"""Stripe: at each message the customer's account is brought to what Stripe says of it."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from base.clock import steady
from base.errors import Permanent, Transient
from base.logs import log
from db import billing, prices, webhooks, work
from db.connection import Tx, transaction
from db.webhooks import Webhook
from integrations.stripe import StripeAway, StripeRefused, Told
from schemas import stripe as messages
from schemas.stripe import Event
from schemas.stripe_objects import (
    customer_of,
    price,
    reference_of,
    tier_in,
    user_of,
)
from workers import billing as accounts
from workers import controls, disputes, reconciling, stripe_prices, stripe_states
from workers.broker import actor
from workers.queues import Queue
from workers.stopping import stopping
from workers.stripe_calls import Run

CLAIM = 100
LEASE_SECONDS = 120
RUN_SECONDS = 40.0  # then the rest is given back, long before its lease ends
SILENT_SECONDS = 10.0
MOST_DELAY_SECONDS = 300.0
MOST_ATTEMPTS = 300  # a day of an outage of Stripe's, at five minutes each
MOST_NOBODY_ATTEMPTS = 12  # a quarter of an hour, for the customer to be given to somebody
RACE_SECONDS = 1.0

Row = dict[str, Any]


class Letter(NamedTuple):
    """A claimed message, read."""

    row: Row
    event: Event


@actor("webhooks.handle", queue=Queue.WEBHOOKS, time_limit_seconds=120)
def handle() -> None:
    """Handle what is due; messages of one customer together, since one look answers all."""
    ends = steady() + RUN_SECONDS
    while _may_go_on(ends):
        with transaction(limit_seconds=SILENT_SECONDS) as tx:
            work.reclaim(tx, Webhook)
            rows = work.claim(tx, Webhook, CLAIM, LEASE_SECONDS, "stripe")
        if not rows:
            return
        _handle(rows, ends)


def _handle(rows: list[Row], ends: float) -> None:
    run = Run()
    groups = _grouped([row for row in rows if row["type"] != reconciling.KIND], run)
    while groups:
        if not _may_go_on(ends):
            _give_back(letter.row for letters in groups.values() for letter in letters)
            return
        customer, letters = groups.popitem()
        try:
            if customer:
                _sync(customer, letters, run)
            else:
                for letter in letters:
                    _alone(letter, run)
        except Permanent as error:
            _end(letters, work.bury, "refused", str(error))
        except (Transient, psycopg.OperationalError) as error:
            log().warning("stripe.postponed", customer=customer, reason=str(error))
            _again(letters, str(error))
    for row in rows:
        if row["type"] == reconciling.KIND:
            _reconcile(row, run, ends)


def _may_go_on(ends: float) -> bool:
    return not stopping() and controls.may_claim(Queue.WEBHOOKS) and steady() < ends


def _reconcile(row: Row, run: Run, ends: float) -> None:
    """A night's message of our own; page by page, so that anybody may go on with it."""

    def save(tx: Tx, progress: reconciling.Progress) -> None:
        _must(webhooks.save(tx, row["id"], row["attempts"], progress.stored()))
        _must(work.renew(tx, Webhook, row["id"], row["attempts"], LEASE_SECONDS))

    try:
        begun = reconciling.read(row["body"])
        done = reconciling.carry_on(begun, run, save, lambda: _may_go_on(ends))
    except Permanent as error:
        _end_row(row, work.bury, "refused", str(error))
    except (Transient, psycopg.OperationalError) as error:
        _end_row(row, work.retry, _delay(row), str(error)[:500])
    else:
        if done.step == "done":
            _end_row(row, work.finish, "drifted" if done.drifted else "in_order")
        else:
            _give_back([row])


def _grouped(rows: list[Row], run: Run) -> dict[str, list[Letter]]:
    """Messages by customer; those about none under the empty name."""
    groups: dict[str, list[Letter]] = {}
    for row in rows:
        try:
            letter = Letter(row, _whole(messages.read(row["body"]), run))
            customer = _customer(letter.event, run)
        except (Permanent, ValueError) as error:
            _end_row(row, work.bury, _reason(error), str(error)[:500])
        except Transient as error:
            _end_row(row, work.retry, _delay(row), str(error)[:500])
        else:
            groups.setdefault(customer or "", []).append(letter)
    return groups


def _reason(error: Exception) -> str:
    return "refused" if isinstance(error, StripeRefused) else "unreadable"


def _whole(event: Event, run: Run) -> Event:
    """A thin event with what it is about."""
    if not event.thin:
        return event
    path = messages.text_of(event.object, "url") or ""
    if not path.startswith("/v1/"):
        raise ValueError("the event names no object")
    return event._replace(object=run.ask("read", path))


def _customer(event: Event, run: Run) -> str | None:
    """Whom a message is about; of disputes Stripe tells the charge alone."""
    found = customer_of(event.object)
    if found is None and disputes.is_about_one(event) and run.client is not None:
        charge = messages.id_of(event.object.get("charge"))
        found = customer_of(run.ask("charge", charge)) if charge else None
    return found


def _sync(customer: str, letters: list[Letter], run: Run) -> None:
    """Ask Stripe how a customer stands, where that is possible, and write what follows.

    Who asks takes a number before; who finds a higher one afterwards leaves the answer to whoever
    took that, since it was asked for later and has seen all that ours has.
    """
    told: Told | None = None
    mine = 0
    if run.client is not None and run.away is None:
        with transaction(limit_seconds=SILENT_SECONDS) as tx:
            mine = billing.ask(tx, customer)
        try:
            told = run.ask("subscriptions", customer)
        except StripeAway:
            log().warning("stripe.away", customer=customer, reason=run.away)
    rows = [row for letter in letters for row in stripe_states.told_by(letter.event)]
    answered = stripe_states.answered(customer, told, mine) if told is not None else []
    stripe_prices.learn(rows + answered, run)
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        held = billing.lock(tx, customer)
        overtaken = told is not None and held.sequence != mine
        if told is not None and not overtaken:
            rows += answered
            billing.wrote(tx, customer, mine)
        for row in rows:
            accounts.look_out(row)
        billing.keep(tx, rows)
        user = _bound(tx, customer, held.user_id, letters, told)
        for letter in letters:
            _aside(tx, customer, letter, user)
        if user is not None:
            accounts.follow(tx, user, letters[-1].event.id)
        waits = run.away or ("overtaken" if overtaken and held.written < mine else None)
        for letter in letters:
            webhooks.owned(tx, letter.row["id"], user)
            _settle(tx, letter, user, waits, run)


def _settle(tx: Tx, letter: Letter, user: UUID | None, waits: str | None, run: Run) -> None:
    """Say of one message how it ended."""
    row, nobody = letter.row, user is None and disputes.is_about_one(letter.event)
    if nobody and row["attempts"] >= MOST_NOBODY_ATTEMPTS:
        _must(_finish(tx, row, work.bury, "no_user", "The charge's customer has no user."))
    elif waits or nobody:
        delay = _delay(row) if run.away or nobody else RACE_SECONDS
        _must(_finish(tx, row, work.retry, delay, waits or "no user yet"))
    else:
        _must(_finish(tx, row, work.finish, "handled" if user else "unbound"))


def _bound(
    tx: Tx, customer: str, user: UUID | None, letters: list[Letter], told: Told | None
) -> UUID | None:
    """The customer's user: as known, as the owner's own metadata or the checkout says."""
    if user is not None:
        return user
    objects = [letter.event.object for letter in letters] + (told.objects if told else [])
    said = [(user_of(one), False) for one in objects]
    said += [(reference_of(one), True) for one in objects]
    for named, by_anybody in said:
        if named and billing.bind(tx, customer, named, by_anybody=by_anybody):
            return UUID(named)
    if (found := accounts.bound(tx, customer)) is None and any(named for named, _ in said):
        accounts.alarm("no_such_user", customer=customer)
    return found


def _aside(tx: Tx, customer: str, letter: Letter, user: UUID | None) -> None:
    """What a message says beside how subscriptions stand."""
    if letter.event.type == "customer.deleted":
        billing.deleted(tx, customer, letter.event.created)
    elif disputes.is_about_one(letter.event) and user is not None:
        disputes.note(tx, user, letter.event)


def _alone(letter: Letter, run: Run) -> None:
    """A message about no customer: a price, a product, or a dispute of nobody we can find."""
    event = letter.event
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        if event.type.startswith(("price.", "product.")):
            _note_price(tx, event)
            _must(_finish(tx, letter.row, work.finish, "handled"))
        else:
            accounts.alarm("no_customer", type=event.type, event_id=event.id)
            _must(_finish(tx, letter.row, work.finish, "no_customer"))


def _note_price(tx: Tx, event: Event) -> None:
    found = price(event.object)
    if found is None:
        return
    tier = tier_in(event.object) or found.tier
    prices.told(
        tx, found.id, found.lookup, found.product, tier, found.period,
        livemode=event.livemode, made_at=event.created,
    )  # fmt: skip


# --- rows


def _delay(row: Row) -> float:
    return float(min(2.0 ** min(row["attempts"], 10), MOST_DELAY_SECONDS))


def _finish(tx: Tx, row: Row, how: Any, *words: Any) -> bool:
    return bool(how(tx, Webhook, row["id"], row["attempts"], *words))


def _must(held: bool) -> None:
    if not held:
        # Somebody else has the row now, and will write it: undo what we wrote.
        raise Transient("The lease was lost.")


def _end_row(row: Row, how: Any, *words: Any) -> None:
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        _finish(tx, row, how, *words)


def _end(letters: Iterable[Letter], how: Any, *words: Any) -> None:
    for letter in letters:
        _end_row(letter.row, how, *words)


def _again(letters: Iterable[Letter], error: str) -> None:
    for letter in letters:
        if letter.row["attempts"] >= MOST_ATTEMPTS:
            _end_row(letter.row, work.bury, "too_often", error[:500])
        else:
            _end_row(letter.row, work.retry, _delay(letter.row), error[:500])


def _give_back(rows: Iterable[Row]) -> None:
    with transaction(limit_seconds=SILENT_SECONDS) as tx:
        work.give_back(tx, Webhook, [(row["id"], row["attempts"]) for row in rows])
