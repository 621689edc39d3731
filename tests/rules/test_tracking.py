"""What a status means at the doors."""

import pytest

from rules.tracking import Decision, decide, grace_over, may_post_events


@pytest.mark.parametrize("user", ["trial", "active", "suspended", "canceled"])
def test_an_active_campaign_goes_to_its_link_whatever_its_owner_owes(user: str) -> None:
    assert decide("active", user, has_link=True, has_fallback=True) == Decision(True, "link")


@pytest.mark.parametrize("status", ["paused", "completed", "archived"])
def test_a_resting_campaign_is_stored_and_goes_to_its_fallback_else_its_link(status: str) -> None:
    assert decide(status, "active", has_link=True, has_fallback=True) == Decision(
        True, "fallback", status
    )
    assert decide(status, "active", has_link=True, has_fallback=False) == Decision(
        True, "link", status
    )


@pytest.mark.parametrize(
    ("status", "reason"), [(None, "unknown"), ("draft", "draft"), ("deleted", "deleted")]
)
def test_what_is_not_public_goes_to_the_fallback_unrecorded(
    status: str | None, reason: str
) -> None:
    decision = decide(status, "active", has_link=True, has_fallback=True)

    assert decision == Decision(False, "fallback", None, reason)


def test_an_active_campaign_without_a_usable_link_is_stored_and_falls_back() -> None:
    decision = decide("active", "active", has_link=False, has_fallback=False)

    assert decision == Decision(True, "fallback", None, "no_destination")


def test_a_canceled_account_has_thirty_days() -> None:
    assert not grace_over("canceled", 29.9)
    assert grace_over("canceled", 30)
    assert not grace_over("canceled", None)
    assert not grace_over("suspended", 99)
    decision = decide("active", "canceled", has_link=True, has_fallback=True, grace_over=True)
    assert decision == Decision(False, "fallback", None, "account_canceled")


def test_only_accounts_in_good_standing_post_events() -> None:
    standing = ("trial", "active", "suspended", "canceled")

    assert [may_post_events(status) for status in standing] == [True, True, False, False]
