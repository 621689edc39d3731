"""Stripe: whatever comes in which order, the account ends as Stripe has it."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from base.clock import now
from base.settings import settings
from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.stripe_fake import KEY, Json, Stripe
from tests.workers import items
from workers import stripe_calls
from workers.outcome import Found, Outcome
from workers.store import write
from workers.stripe import handle


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def account(database: str) -> Stripe:
    """A Stripe whose clock began a day ago; we have no key to it."""
    stripe_calls.client.cache_clear()
    return Stripe(int(now().timestamp()) - 86_400)


@pytest.fixture
def with_key(account: Stripe) -> Iterator[Stripe]:
    """The same, which we may ask."""
    with account.serve() as address:
        os.environ |= {"HOPFLEET_STRIPE_API_KEY": KEY, "HOPFLEET_STRIPE_API_URL": address}
        settings.cache_clear()
        stripe_calls.client.cache_clear()
        yield account
    del os.environ["HOPFLEET_STRIPE_API_KEY"], os.environ["HOPFLEET_STRIPE_API_URL"]
    settings.cache_clear()
    stripe_calls.client.cache_clear()


def arrive(*events: Json) -> Outcome:
    """Messages come out of the journal, each in a transaction of its own."""
    outcome = Outcome(Kind.WEBHOOKS)
    for event in events:
        item: Any = items.item("", type="stripe", door="stripe", body=json.dumps(event))  # type: ignore[arg-type]
        with transaction() as tx:
            write(tx, [Found(make.batch_id(), 0, item)], outcome)
    return outcome


def row(session: Tx, user: Made) -> tuple[Any, ...]:
    """What billing writes: status, tier, customer, subscription, end of the trial."""
    found = session.execute(
        "SELECT status, tier, stripe_customer_id, stripe_subscription_id, trial_ends_at"
        " FROM users WHERE id = %s",
        (user["id"],),
    ).fetchone()
    assert found is not None
    return found


def inbox(session: Tx) -> list[tuple[str, str | None]]:
    return session.execute("SELECT state, outcome FROM webhooks ORDER BY id").fetchall()


def test_a_message_is_kept_once_and_handled_once(session: Tx, account: Stripe) -> None:
    user = make.user(session, status="trial")
    customer = account.customer()
    account.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})

    outcome = arrive(*account.events, *account.events)
    handle()
    handle()

    assert (inbox(session), outcome.duplicates) == ([("done", "handled")], 1)
    assert row(session, user)[:4] == ("active", "starter", "cus_1", "sub_1")
