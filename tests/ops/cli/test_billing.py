"""`hopfleet billing`: why an account is what it is, tiers of prices, reconciling."""

import os
from collections.abc import Iterator

import pytest

from base.clock import now
from base.settings import settings
from db.billing import StateRow, bind, keep, lock
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run
from tests.stripe_fake import KEY, Stripe
from workers import stripe_calls
from workers.billing import follow


@pytest.fixture
def account(database: str) -> Iterator[Stripe]:
    """A Stripe that the command may ask."""
    made = Stripe(int(now().timestamp()) - 60)
    with made.serve() as address:
        os.environ |= {"HOPFLEET_STRIPE_API_KEY": KEY, "HOPFLEET_STRIPE_API_URL": address}
        settings.cache_clear()
        stripe_calls.client.cache_clear()
        yield made
    del os.environ["HOPFLEET_STRIPE_API_KEY"], os.environ["HOPFLEET_STRIPE_API_URL"]
    settings.cache_clear()
    stripe_calls.client.cache_clear()


def test_an_account_is_shown_with_its_reasons(run: Run, connect: Connect) -> None:
    session = connect()
    user = make.user(session, status="trial")
    with session.transaction():
        lock(session, "cus_1")
        price: dict[str, str | None] = {"id": "price_1", "lookup": "agency_monthly"}
        state = StateRow("cus_1", "sub_1", "evt_1", now(), "active", [price], None, None, None)
        keep(session, [state])
        bind(session, "cus_1", user["id"], by_anybody=False)
        follow(session, user["id"], "evt_1")
    session.execute("UPDATE users SET status = 'suspended' WHERE id = %s", (user["id"],))

    said = run("billing", "show", user["email"], "--json").json
    plain = run("billing", "show", user["email"]).out

    assert (said["status"], said["tier"]) == ("suspended", "agency")
    assert [one["id"] for one in said["customers"]] == ["cus_1"]
    assert [(one["id"], one["status"]) for one in said["subscriptions"]] == [("sub_1", "active")]
    assert [one["kind"] for one in said["holds"]] == ["admin"]
    assert said["changes"][0]["cause"] == "evt_1"
    assert said["changes"][0]["after"]["tier"] == "agency"
    assert "held: admin" in plain
    assert "tier starter → agency" in plain


def test_a_price_is_given_a_tier_and_loses_it_again(run: Run, database: str) -> None:
    assert run("billing", "tier", "price_1", "agency", "--json").json == {
        "price_id": "price_1", "tier": "agency",
    }  # fmt: skip
    (known,) = run("billing", "prices", "--json").json["items"]
    assert (known["tier"], known["by_hand"]) == ("agency", True)
    run("billing", "tier", "price_1", "none")
    assert run("billing", "prices", "--json").json["items"][0]["tier"] is None
    assert run("billing", "tier", "price_1", "diamond").code == 2


def test_reconciling_repairs_and_says_how_much(run: Run, connect: Connect, account: Stripe) -> None:
    user = make.user(connect(), status="trial")
    account.subscribe(account.customer()["id"], "active", metadata={"user_id": str(user["id"])})

    first = run("billing", "reconcile", "--json")
    again = run("billing", "reconcile")

    assert first.json == {"subscriptions": 1, "drifted": 1, "missed": 0}
    assert again.out.startswith("1 subscriptions: 0 accounts repaired")


def test_without_a_key_and_without_stripe_it_says_what_to_do(
    run: Run, account: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.fails = -1
    away = run("billing", "reconcile")
    monkeypatch.delenv("HOPFLEET_STRIPE_API_KEY")
    settings.cache_clear()
    keyless = run("billing", "reconcile")
    monkeypatch.undo()

    assert (away.code, keyless.code) == (1, 2)
    assert KEY not in away.err
    assert "HOPFLEET_STRIPE_API_KEY" in keyless.err
