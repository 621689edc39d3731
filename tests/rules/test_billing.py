"""What subscriptions mean for an account: every status, prior state, hold, tier and order."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from rules.billing import Standing, State, holds_back, stands, tier_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def state(at: int, status: str, tier: str | None = "starter", **more: object) -> State:
    """A state so many days after an hour ago's month; `at` orders."""
    usual = State("cus", "sub", NOW - timedelta(days=30) + timedelta(days=at), f"evt_{at}", status)
    return usual._replace(tier=tier, **more)  # type: ignore[arg-type]


def account(*states: State, gone: dict[str, datetime] | None = None) -> Standing:
    return stands(states, gone or {}, NOW, WEEK)


@pytest.mark.parametrize(
    ("status", "becomes"),
    [("trialing", "trial"), ("active", "active"), ("past_due", "suspended"),
     ("unpaid", "suspended"), ("paused", "suspended"), ("canceled", "canceled"),
     ("incomplete", None), ("incomplete_expired", "canceled"), ("invented_tomorrow", None)],
)  # fmt: skip
def test_each_status_means_one_of_ours(status: str, becomes: str | None) -> None:
    assert account(state(1, status)).status == becomes


def test_what_is_past_due_is_active_for_a_week_from_its_first_day() -> None:
    late = [state(20, "past_due"), state(25, "past_due")]
    paid_between = [*late, state(24, "active")]

    assert account(*late).status == "suspended"
    assert account(*paid_between).status == "active"
    assert account(*paid_between).grace_ends_at == NOW + timedelta(days=2)
    assert stands(paid_between, {}, NOW, timedelta(0)).status == "suspended"


def test_the_tier_is_that_of_the_last_price_that_granted_something() -> None:
    assert account(state(1, "active", "agency"), state(2, "past_due", "starter")).tier == "agency"
    assert account(state(1, "active", "agency"), state(2, "active", None)).tier == "agency"
    assert account(state(1, "active", "agency"), state(2, "canceled", "starter")).tier == "agency"
    assert account(state(1, "incomplete", "agency")).tier is None


def test_a_trial_ends_when_stripe_says_or_when_it_was_ended() -> None:
    ends, ended = NOW + WEEK, NOW - WEEK
    trial = state(1, "trialing", trial_end=ends)

    assert account(trial).trial_ends_at == ends
    assert account(trial, state(2, "active")).trial_ends_at == ends
    over = state(3, "canceled", trial_end=ends, ended_at=ended)
    assert account(trial, over).trial_ends_at == ended
    assert not account(state(1, "active")).sets_trial


def test_an_end_is_never_undone() -> None:
    assert account(state(1, "canceled"), state(2, "active")).status == "canceled"
    same_second = [state(1, "active", event="evt_z"), state(1, "canceled", event="evt_a")]
    assert account(*same_second).status == account(*same_second[::-1]).status == "canceled"
    paid = state(1, "active", "agency", event="evt_z")
    assert account(paid, state(1, "canceled", event="evt_a")).tier == "agency"


def test_of_several_subscriptions_the_best_counts() -> None:
    ranked = ["active", "trialing", "past_due", "unpaid", "paused", "canceled"]
    for better, worse in itertools.combinations(ranked, 2):
        both = [state(1, worse, subscription="a"), state(2, better, subscription="b")]
        assert account(*both).subscription == account(*both[::-1]).subscription == "b"
    tiers = [state(1, "active", "agency", subscription="a"), state(2, "active", subscription="b")]
    assert (account(*tiers).subscription, account(*tiers).tier) == ("a", "agency")


def test_an_open_first_payment_counts_for_nothing() -> None:
    ended, new = state(1, "canceled", subscription="a"), state(2, "incomplete", subscription="b")

    assert account(ended, new) == account(ended)
    assert account(new) == Standing()


def test_a_deleted_customer_is_over_unless_another_lives() -> None:
    one = state(1, "trialing", "agency", trial_end=NOW)
    another = state(2, "active", customer="other", subscription="b")
    gone = {"cus": NOW}

    over = account(one, gone=gone)
    assert (over.status, over.tier, over.customer, over.subscription) == (
        "canceled", "agency", None, None,
    )  # fmt: skip
    assert (over.sets_trial, over.trial_ends_at) == (True, None)
    alive = account(one, another, gone=gone)
    assert (alive.status, alive.customer, alive.subscription) == ("active", "other", "b")
    assert account(gone=gone).status == "canceled"


def test_the_order_in_which_states_came_in_changes_nothing() -> None:
    life = [
        state(1, "incomplete"), state(2, "trialing", "professional", trial_end=NOW),
        state(3, "active", "agency"), state(24, "past_due", "starter"),
        state(25, "invented"), state(26, "past_due", "starter"),
        state(20, "canceled", subscription="old"),
    ]  # fmt: skip
    true = account(*life)

    assert (true.status, true.tier, true.subscription) == ("active", "agency", "sub")
    for order in itertools.permutations(life):
        assert account(*order) == true


@pytest.mark.parametrize(
    ("status", "holds"),
    [("needs_response", True), ("under_review", True), ("lost", True), ("won", False),
     ("warning_needs_response", False), ("warning_closed", False), ("invented", None)],
)  # fmt: skip
def test_disputes_hold_until_they_are_won_and_questions_do_not(
    status: str, holds: bool | None
) -> None:
    assert holds_back(status) is holds


def test_a_price_is_known_by_our_table_its_key_its_metadata_or_its_product() -> None:
    price = {"id": "p", "lookup": "agency_yearly", "tier": "professional", "product": "prod"}
    bare = {"id": "p", "lookup": None, "tier": None, "product": "prod"}

    assert tier_of([price], {"p": "starter"}, {}) == "starter"
    assert tier_of([price], {}, {"prod": "starter"}) == "agency"
    assert tier_of([{**price, "lookup": "monthly"}], {}, {}) == "professional"
    assert tier_of([bare], {}, {"prod": "starter"}) == "starter"
    assert tier_of([bare], {}, {}) is None
    assert tier_of([{**bare, "tier": "diamond"}], {}, {}) is None
    assert tier_of([price, {"id": "q"}], {"p": "starter", "q": "professional"}, {}) == (
        "professional"
    )
