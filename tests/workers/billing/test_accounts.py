"""What Stripe says and who holds an account decide what it is; nothing else does."""

import pytest

from db.connection import Tx
from tests import make
from tests.make import Made
from tests.stripe_fake import Stripe
from tests.workers.billing.world import arrive, inbox, row, until_handled
from workers import billing as accounts
from workers import stripe_prices
from workers.stripe import handle


def test_a_message_is_kept_once_and_handled_once(session: Tx, account: Stripe) -> None:
    user = make.user(session, status="trial")
    customer = account.customer()
    account.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})

    outcome = arrive(*account.events, *account.events)
    handle()
    handle()

    assert (inbox(session), outcome.duplicates) == ([("done", "handled")], 1)
    assert row(session, user)[:4] == ("active", "starter", "cus_1", "sub_1")


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("prior", ["trial", "active", "suspended", "canceled"])
@pytest.mark.parametrize(
    "status",
    ["trialing", "active", "past_due", "unpaid", "paused", "canceled", "incomplete",
     "incomplete_expired", "invented"],
)  # fmt: skip
def test_every_status_on_every_account(
    session: Tx, account: Stripe, status: str, prior: str, held: bool
) -> None:
    user = make.user(session, status="active")
    if prior == "suspended":  # by billing, as before a restart
        session.execute("SELECT set_config('hopfleet.billing', 'on', false)")
    session.execute("UPDATE users SET status = %s WHERE id = %s", (prior, user["id"]))
    session.execute("SELECT set_config('hopfleet.billing', '', false)")
    if held:
        session.execute("UPDATE users SET status = 'suspended' WHERE id = %s", (user["id"],))
        session.execute(
            "INSERT INTO user_holds (user_id, kind) VALUES (%s, 'admin') ON CONFLICT DO NOTHING",
            (user["id"],),
        )
    account.now += 86_000
    account.subscribe(account.customer()["id"], status, metadata={"user_id": str(user["id"])})
    arrive(*account.events)
    handle()

    means = {
        "trialing": "trial", "active": "active", "past_due": "active", "unpaid": "suspended",
        "paused": "suspended", "canceled": "canceled", "incomplete_expired": "canceled",
    }.get(status, prior)  # fmt: skip
    assert row(session, user)[0] == ("suspended" if held else means)


def sql_status(session: Tx, user: Made, status: str) -> None:
    session.execute("UPDATE users SET status = %s WHERE id = %s", (status, user["id"]))


def test_who_was_suspended_by_plain_sql_stays_so_until_somebody_lifts_it(
    session: Tx, account: Stripe
) -> None:
    user = make.user(session)
    sub = account.subscribe(
        account.customer()["id"], "active", metadata={"user_id": str(user["id"])}
    )
    sql_status(session, user, "suspended")
    arrive(*account.events)
    handle()
    during = row(session, user)[0]
    sql_status(session, user, "active")
    arrive(account.change(sub, status="active"))
    handle()

    assert (during, row(session, user)[0]) == ("suspended", "active")


def test_a_dispute_holds_until_it_is_won_in_any_order(session: Tx, with_key: Stripe) -> None:
    user = make.user(session)
    customer = with_key.customer()
    with_key.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})
    charge = with_key.put("charge", "ch", customer=customer["id"])
    question = with_key.put("dispute", "dp", charge=charge["id"], status="warning_under_review")
    asked = with_key.emit("charge.dispute.created", question)
    dispute = with_key.put("dispute", "dp", charge=charge["id"], status="needs_response")
    opened = with_key.emit("charge.dispute.created", dispute)
    dispute["status"] = "won"
    with_key.tick()
    closed = with_key.emit("charge.dispute.closed", dispute)
    seen = []
    for events in ([with_key.events[0], asked], [opened], [closed]):
        arrive(*events)
        until_handled(session)
        seen.append(row(session, user)[0])
    other = with_key.put("dispute", "dp", charge=charge["id"], status="needs_response")
    lost = with_key.emit("charge.dispute.created", other)
    other["status"] = "won"
    with_key.tick()
    arrive(with_key.emit("charge.dispute.closed", other))
    until_handled(session)
    arrive(lost)
    until_handled(session)

    assert seen == ["active", "suspended", "active"]
    assert row(session, user)[0] == "active"


def test_a_suspected_fraud_holds(session: Tx, with_key: Stripe) -> None:
    user = make.user(session)
    customer = with_key.customer()
    with_key.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})
    charge = with_key.put("charge", "ch", customer=customer["id"])
    warning = with_key.put("radar.early_fraud_warning", "issfr", charge=charge["id"])
    with_key.emit("radar.early_fraud_warning.created", {**warning, "actionable": True})

    arrive(*with_key.events)
    until_handled(session)

    assert row(session, user)[0] == "suspended"


def test_the_platform_may_name_the_customer_later(session: Tx, account: Stripe) -> None:
    user = make.user(session, status="trial")
    account.subscribe(account.customer()["id"], "active")
    arrive(*account.events)
    handle()
    before = row(session, user)[0]
    session.execute("UPDATE users SET stripe_customer_id = 'cus_1' WHERE id = %s", (user["id"],))

    changed = accounts.settle()

    assert (before, changed, row(session, user)[0]) == ("trial", 1, "active")
    assert accounts.settle() == 0


def test_a_stranger_at_the_checkout_cannot_take_an_account_over(
    session: Tx, account: Stripe
) -> None:
    user = make.user(session, stripe_customer_id="cus_own")
    stranger = account.customer()
    sub = account.subscribe(stranger["id"], "active")
    checkout = account.put(
        "checkout.session", "cs", customer=stranger["id"], client_reference_id=str(user["id"])
    )
    account.emit("checkout.session.completed", checkout)
    account.change(sub, status="canceled")

    arrive(*account.events)
    handle()

    assert row(session, user)[:3] == ("active", "starter", "cus_own")


@pytest.mark.parametrize("asked", [False, True])
def test_a_deleted_customer_ends_the_account_and_keeps_the_user(
    session: Tx, account: Stripe, request: pytest.FixtureRequest, asked: bool
) -> None:
    account = request.getfixturevalue("with_key") if asked else account
    user = make.user(session, status="trial")
    customer = account.customer()
    account.subscribe(
        customer["id"], "trialing", metadata={"user_id": str(user["id"])},
        trial_end=account.now + 999, price={"id": "p", "lookup_key": "agency_monthly"},
    )  # fmt: skip
    arrive(*account.events)
    until_handled(session)
    before = row(session, user)
    account.delete_customer(customer)

    arrive(*account.events[::-1])
    until_handled(session)

    assert (before[0], before[1], before[4] is not None) == ("trial", "agency", True)
    assert row(session, user) == ("canceled", "agency", None, None, None)


@pytest.mark.parametrize("shape", ["pre-basil", "basil"])
def test_messages_of_old_and_new_api_versions_say_the_same(
    session: Tx, account: Stripe, shape: str
) -> None:
    account.shape = shape
    user = make.user(session)
    price = {"id": "price_1", "lookup_key": None, "metadata": {"tier": "professional"}}
    account.subscribe(
        account.customer()["id"], "active", metadata={"user_id": str(user["id"])}, price=price
    )

    arrive(*account.events)
    handle()

    assert row(session, user)[:2] == ("active", "professional")


def test_thin_events_are_asked_about(session: Tx, with_key: Stripe) -> None:
    user = make.user(session, status="trial")
    customer = with_key.customer()
    sub = with_key.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})
    invoice = with_key.put("invoice", "in", customer=customer["id"])
    with_key.change(sub, status="unpaid")
    with_key.emit("invoice.payment_failed", invoice)

    arrive(*[with_key.thin(event) for event in with_key.events])
    until_handled(session)

    assert row(session, user)[0] == "suspended"
    assert {outcome for _, outcome in inbox(session)} == {"handled"}


def test_a_thin_event_without_a_key_is_a_dead_letter_that_says_so(
    session: Tx, account: Stripe
) -> None:
    account.subscribe(account.customer()["id"], "active")

    arrive(account.thin(account.events[0]))
    handle()

    found = session.execute("SELECT state, last_error FROM webhooks").fetchone()
    assert found is not None
    assert found[0] == "dead"
    assert "HOPFLEET_STRIPE_API_KEY" in found[1]


def test_while_stripe_is_away_its_messages_must_do_and_are_tried_again(
    session: Tx, with_key: Stripe
) -> None:
    user = make.user(session, status="trial")
    sub = with_key.subscribe(
        with_key.customer()["id"], "active", metadata={"user_id": str(user["id"])}
    )
    with_key.fails = -1
    arrive(with_key.events[0])
    handle()
    during = row(session, user)[0], inbox(session)
    with_key.change(sub, status="unpaid")  # its message is lost
    with_key.fails = 0
    until_handled(session)

    assert during == ("active", [("pending", None)])
    assert row(session, user)[0] == "suspended"


def test_a_tier_is_learnt_from_the_products_metadata(session: Tx, with_key: Stripe) -> None:
    user = make.user(session)
    stripe_prices._asked.clear()
    with_key.objects["prod_9"] = {
        "id": "prod_9",
        "object": "product",
        "metadata": {"tier": "agency"},
    }
    with_key.objects["price_9"] = {"id": "price_9", "object": "price", "product": "prod_9"}
    with_key.subscribe(
        with_key.customer()["id"], "active", metadata={"user_id": str(user["id"])},
        price="price_9",
    )  # fmt: skip

    arrive(*with_key.events)
    until_handled(session)

    assert row(session, user)[1] == "agency"


def test_what_is_unknown_changes_nothing_and_alarms(session: Tx, account: Stripe) -> None:
    user = make.user(session, tier="professional")
    stripe_prices._asked.clear()
    before = sum(accounts._alarms.values())
    account.subscribe(
        account.customer()["id"], "hibernating", metadata={"user_id": str(user["id"])},
        price="price_nobody_knows",
    )  # fmt: skip

    arrive(*account.events)
    handle()

    assert row(session, user)[:2] == ("active", "professional")
    assert sum(accounts._alarms.values()) == before + 2
    assert inbox(session) == [("done", "handled")]
