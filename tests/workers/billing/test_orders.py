"""In whatever order messages come, how often and by how many hands: the account is the same."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from db.connection import Tx
from tests import make
from tests.make import Made
from tests.stripe_fake import Json, Stripe
from tests.workers.billing.world import arrive, row, until_handled
from workers.stripe import handle

ORDERS_APART = 37  # every so many of the 720 orders there are; `make test-long` takes them all
ASKED_LIVES = 8


def live(account: Stripe, user: Made) -> None:
    """A whole life: checkout, first payment, a late one, another plan, the end."""
    customer = account.customer(metadata={"user_id": str(user["id"])})
    sub = account.subscribe(customer["id"], "incomplete", price="price_s")
    session = account.put(
        "checkout.session", "cs", customer=customer["id"], subscription=sub["id"],
        client_reference_id=str(user["id"]),
    )  # fmt: skip
    account.change(sub, status="active")
    account.emit("checkout.session.completed", session)
    account.change(sub, status="past_due")
    agency = {"id": "price_a", "object": "price", "lookup_key": "agency_monthly"}
    account.change(sub, status="active", items={"data": [{"price": agency}]})
    account.change(sub, status="canceled")


def outcome_of(session: Tx, account: Stripe, order: list[Json], user: Made) -> tuple[Any, ...]:
    """The user's row after these events arrived in this order, two workers at work."""
    session.execute("DELETE FROM webhooks")
    session.execute("DELETE FROM stripe_customers")
    session.execute(
        "UPDATE users SET status = 'trial', tier = 'starter', stripe_customer_id = NULL,"
        " stripe_subscription_id = NULL, trial_ends_at = NULL"
    )
    arrive(*order)
    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(handle) for _ in range(2)]:
            done.result()
    until_handled(session)
    return row(session, user)


ENDS = ("canceled", "agency", "cus_1", "sub_1", None)


def test_a_life_in_many_orders_ends_the_same_without_asking(session: Tx, account: Stripe) -> None:
    user = make.user(session, status="trial")
    live(account, user)
    orders = list(itertools.permutations(account.events))[::ORDERS_APART]

    found = {outcome_of(session, account, list(order), user) for order in orders}

    assert found == {ENDS}


def test_a_life_in_many_orders_ends_the_same_when_stripe_is_asked(
    session: Tx, with_key: Stripe
) -> None:
    user = make.user(session, status="trial")
    live(with_key, user)

    found = {
        outcome_of(session, with_key, with_key.delivered(seed), user) for seed in range(ASKED_LIVES)
    }

    assert found == {ENDS}


@pytest.mark.parametrize("length", range(1, 6))
def test_every_part_of_a_life_in_any_order_ends_as_in_order(
    session: Tx, account: Stripe, length: int
) -> None:
    user = make.user(session, status="trial")
    live(account, user)
    part = account.events[:length]
    true = outcome_of(session, account, part, user)

    found = {
        outcome_of(session, account, account.delivered(seed, events=part), user)
        for seed in range(6)
    }

    assert found == {true}


@pytest.mark.long
def test_a_life_in_every_order_with_repeats_ends_the_same(session: Tx, account: Stripe) -> None:
    user = make.user(session, status="trial")
    live(account, user)

    for number, order in enumerate(itertools.permutations(account.events)):
        repeated = list(order) + account.delivered(number, repeats=0, lost=0.5)
        assert outcome_of(session, account, repeated, user) == ENDS


@pytest.mark.long
def test_a_life_while_it_is_asked_about_ends_as_stripe_has_it(
    session: Tx, with_key: Stripe
) -> None:
    """Events arrive while the life goes on, each late by chance; Stripe fails now and then."""
    for seed in range(40):
        dice = random.Random(seed)
        user = make.user(session, status="trial")
        customer = with_key.customer(metadata={"user_id": str(user["id"])})
        sub = with_key.subscribe(
            customer["id"], "incomplete", metadata={"user_id": str(user["id"])}
        )
        late = [with_key.events[-1]]
        for status in dice.choices(("active", "past_due", "unpaid", "trialing", "paused"), k=6):
            late.append(with_key.change(sub, status=status))
            with_key.fails = dice.choice((0, 0, 1))
            dice.shuffle(late)
            arrive(*late[: dice.randrange(len(late) + 1)])
            handle()
        with_key.fails = 0
        arrive(*late)
        until_handled(session)

        assert row(session, user)[0] == account_status(sub["status"]), seed


def account_status(status: str) -> str:
    return {"active": "active", "past_due": "active", "trialing": "trial"}.get(status, "suspended")


def test_a_result_that_was_asked_for_earlier_is_left_to_the_later_one(
    session: Tx, with_key: Stripe
) -> None:
    user = make.user(session, status="trial")
    customer = with_key.customer(metadata={"user_id": str(user["id"])})
    sub = with_key.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})
    arrive(with_key.events[0])
    overtaking: list[str] = []

    def overtake(path: str) -> None:
        """The answer is on its way; meanwhile all changes, and another worker handles that."""
        if not overtaking:
            overtaking.append(path)
            arrive(with_key.change(sub, status="unpaid"))
            handle()
            with_key.tick(5)

    with_key.while_asked = overtake
    handle()
    until_handled(session)

    assert row(session, user)[0] == "suspended"
    assert len(overtaking) == 1
