"""How Stripe's messages come in, are handled, and what the account is then."""

import json
from typing import Any

from db.connection import Tx, transaction
from journal.streams import Kind
from tests import make
from tests.make import Made
from tests.stripe_fake import Json
from tests.workers import items
from workers.outcome import Found, Outcome
from workers.store import write
from workers.stripe import handle


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


def until_handled(session: Tx) -> None:
    """Work until nothing is left; what waits for its time has it now."""
    for _ in range(20):
        if all(state == "done" for state, _ in inbox(session)):
            return
        session.execute("UPDATE webhooks SET next_attempt_at = now() WHERE state = 'pending'")
        handle()
    raise AssertionError(inbox(session))
