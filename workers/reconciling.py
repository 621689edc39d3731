"""Reconciling: all of Stripe's subscriptions are held against our accounts, and these repaired.

It runs each night as a message of our own in the inbox, and whenever a person asks for it. A page
is a piece of work: whoever goes on begins where the last one stopped.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from base.clock import now
from base.logs import log
from base.settings import settings
from db import billing, webhooks
from db.connection import Tx, transaction
from db.webhooks import Arrival
from integrations.stripe import Told
from schemas import stripe as messages
from schemas.stripe_objects import subscription, user_of
from workers import billing as accounts
from workers.stripe_calls import Run
from workers.stripe_states import state_of

KIND = "hopfleet.reconcile"
LIMIT_SECONDS = 10.0

Json = dict[str, Any]


class Progress(NamedTuple):
    """How far it is; `drifted` are accounts that were not as Stripe has them."""

    after: str | None = None  # the last subscription seen
    events_after: str | None = None  # once those are through: the last undelivered event seen
    step: str = "subscriptions"  # subscriptions, events, done
    subscriptions: int = 0
    drifted: int = 0
    missed: int = 0  # messages that Stripe could not deliver, and that are in the inbox now

    def stored(self) -> bytes:
        """As the body of the message."""
        return orjson.dumps(self._asdict())


def read(body: bytes) -> Progress:
    """What `stored` gave; from the beginning for anything else."""
    try:
        return Progress(**orjson.loads(body))
    except (TypeError, ValueError):
        return Progress()


def owe_nightly() -> None:
    """Have it done once in the night that is now, whoever of the schedulers comes first."""
    moment = now()
    if settings().stripe_api_key is None:
        return
    arrival = Arrival(
        "pending", None, None, "stripe", f"reconcile:{moment:%Y-%m-%d}", None, None, KIND, None,
        Progress().stored(), moment,
    )  # fmt: skip
    with transaction(wait_seconds=2.0, limit_seconds=LIMIT_SECONDS) as tx:
        webhooks.take(tx, [arrival])


def carry_on(
    progress: Progress,
    run: Run,
    save: Callable[[Tx, Progress], None],
    may_go_on: Callable[[], bool],
) -> Progress:
    """Go on until all is done or it may not; `save` keeps each step in that step's transaction."""
    while progress.step != "done" and may_go_on():
        if progress.step == "subscriptions":
            told: Told = run.ask("all_subscriptions", progress.after)
            progress = _page(told, progress)
        else:
            told = run.ask("undelivered", progress.events_after)
            progress = _missed(told, progress)
        with transaction(limit_seconds=LIMIT_SECONDS) as tx:
            save(tx, progress)
    if progress.step == "done":
        log().info("stripe.reconciled", **progress._asdict())
    return progress


def _page(told: Told, progress: Progress) -> Progress:
    """One page of subscriptions; each customer in a transaction of its own."""
    by_customer: dict[str, list[Json]] = {}
    for one in told.objects:
        if (found := subscription(one)) is not None:
            by_customer.setdefault(found.customer, []).append(one)
    drifted = sum(_repair(customer, ones, told) for customer, ones in by_customer.items())
    after = _last(told)
    return progress._replace(
        after=after, subscriptions=progress.subscriptions + len(told.objects),
        drifted=progress.drifted + drifted,
        step="subscriptions" if told.more and after else "events",
    )  # fmt: skip


def _repair(customer: str, ones: Iterable[Json], told: Told) -> bool:
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        user = billing.lock(tx, customer).user_id
        event = f"~{0:019d}.{int(told.at.timestamp())}"  # behind no answer of that very second
        rows = [state for one in ones if (state := state_of(one, told.at, event)) is not None]
        billing.keep(tx, rows)
        for named in [named for one in ones if user is None and (named := user_of(one))]:
            if billing.bind(tx, customer, named, by_anybody=False):
                user = UUID(named)
                break
        user = user or accounts.bound(tx, customer)
        return user is not None and accounts.follow(tx, user, "reconcile")


def _missed(told: Told, progress: Progress) -> Progress:
    """One page of events that an outage of ours has cost; the inbox knows which it has."""
    arrivals = []
    for one in told.objects:
        body = orjson.dumps(one)
        try:
            event = messages.read(body)
        except ValueError:
            continue
        if event.wanted and settings().stripe_live in (None, event.livemode):
            arrivals.append(
                Arrival(
                    "pending",
                    None,
                    None,
                    "stripe",
                    event.id,
                    None,
                    None,
                    event.type,
                    None,
                    body,
                    event.created,
                )
            )
    with transaction(limit_seconds=LIMIT_SECONDS) as tx:
        new = webhooks.take(tx, arrivals)
    after = _last(told)
    return progress._replace(
        events_after=after, missed=progress.missed + len(new),
        step="events" if told.more and after else "done",
    )  # fmt: skip


def _last(told: Told) -> str | None:
    return messages.id_of(told.objects[-1].get("id")) if told.objects else None
