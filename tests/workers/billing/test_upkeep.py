"""What no message brings: the clock, the log of changes, the nightly repair."""

from base.clock import now
from db import webhooks
from db.connection import Tx, transaction
from db.webhooks import Arrival
from tests import make
from tests.stripe_fake import Stripe
from tests.workers.billing.world import arrive, inbox, row, until_handled
from workers import billing as accounts
from workers.reconciling import KIND, Progress, carry_on
from workers.stripe import handle
from workers.stripe_calls import Run


def test_time_to_pay_and_trials_end_by_the_clock(session: Tx, account: Stripe) -> None:
    user = make.user(session)
    account.now -= 86_400 * 5
    sub = account.subscribe(
        account.customer()["id"], "active", metadata={"user_id": str(user["id"])}
    )
    account.change(sub, status="past_due")
    arrive(*account.events)
    handle()
    in_time = row(session, user)[0], accounts.settle()
    session.execute(
        "UPDATE stripe_states SET made_at = made_at - interval '2 days';"
        "UPDATE stripe_customers SET grace_ends_at = grace_ends_at - interval '2 days'"
    )
    trial = make.user(session, status="trial", trial_ends_at=now())
    endless = make.user(session, status="trial")

    changed = accounts.settle()

    assert in_time == ("active", 0)
    assert changed == 2
    assert [row(session, one)[0] for one in (user, trial, endless)] == [
        "suspended", "suspended", "trial",
    ]  # fmt: skip
    assert accounts.settle() == 0


def test_each_change_of_an_account_is_kept_with_its_reason(session: Tx, account: Stripe) -> None:
    user = make.user(session, status="trial")
    sub = account.subscribe(
        account.customer()["id"], "active", metadata={"user_id": str(user["id"])}
    )
    account.change(sub, status="canceled")
    for event in account.events:
        arrive(event)
        handle()

    found = session.execute(
        "SELECT cause, before->>'status', after->>'status' FROM user_changes ORDER BY id"
    ).fetchall()
    assert found == [
        (account.events[0]["id"], "trial", "active"),
        (account.events[1]["id"], "active", "canceled"),
    ]


def test_the_night_finds_what_was_lost_and_repairs_it(session: Tx, with_key: Stripe) -> None:
    users = [make.user(session, status="trial") for _ in range(3)]
    for number, user in enumerate(users):
        customer = with_key.customer()
        with_key.subscribe(customer["id"], "active", metadata={"user_id": str(user["id"])})
        if number == 0:
            charge = with_key.put("charge", "ch", customer=customer["id"])
            dispute = with_key.put("dispute", "dp", charge=charge["id"], status="under_review")
            with_key.undelivered.add(with_key.emit("charge.dispute.created", dispute)["id"])
    arrive(with_key.events[2])
    handle()
    asking = Run()

    first = carry_on(Progress(), asking, lambda tx, progress: None, lambda: True)
    until_handled(session)
    second = carry_on(Progress(), asking, lambda tx, progress: None, lambda: True)

    assert (first.subscriptions, first.drifted, first.missed) == (3, 2, 1)
    assert (second.drifted, second.missed) == (0, 0)
    assert [row(session, user)[0] for user in users] == ["suspended", "active", "active"]


def test_a_night_is_reconciled_once_and_goes_on_where_it_stopped(
    session: Tx, with_key: Stripe
) -> None:
    for _ in range(205):
        with_key.subscribe(with_key.customer()["id"], "active")
    body = Progress().stored()
    arrival = Arrival(
        "pending", None, None, "stripe", "reconcile:1", None, None, KIND, None, body, None
    )
    for _ in range(2):
        with transaction() as tx:
            webhooks.take(tx, [arrival])
    with_key.fails = 0
    pages = iter((0, 1, 1))

    def fail_once(path: str) -> None:
        with_key.fails = next(pages, 0) if path == "/v1/subscriptions" else 0

    with_key.while_asked = fail_once
    handle()
    until_handled(session)

    assert inbox(session) == [("done", "in_order")]
    asked = [path for path in with_key.asked if path.startswith("/v1/subscriptions")]
    assert sum("starting_after" not in path for path in asked) == 1
    assert session.execute("SELECT count(*) FROM stripe_states").fetchone() == (205,)
