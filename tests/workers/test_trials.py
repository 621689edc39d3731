"""Trials: told three days before, suspended when they are over, whoever wrote the row."""

from datetime import timedelta
from typing import Any

import pytest

from base.clock import now
from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.test_notices import mails
from workers import billing
from workers.maintenance.trials import tell_ending

DAY = timedelta(days=1)


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement, as another application would."""
    return connect()


def on_trial(session: Tx, **columns: Any) -> make.Made:
    return make.user(session, **{"status": "trial", "trial_ends_at": now() + 2 * DAY} | columns)


def test_who_is_on_a_trial_is_told_three_days_before_and_once(session: Tx) -> None:
    soon = on_trial(session, trial_ends_at=now() + 3 * DAY - timedelta(minutes=1))
    on_trial(session, trial_ends_at=now() + 3 * DAY + timedelta(minutes=1))

    told = [tell_ending() for _ in range(3)]

    [mail] = mails(session)
    assert told == [1, 0, 0]
    assert mail["to"] == soon["email"]
    ends = soon["trial_ends_at"]
    assert mail["subject"] == f"Your trial ends on {ends.day} {ends:%B %Y} at {ends:%H:%M} UTC"
    assert mail["subject"] in mail["text"]


def test_a_trial_that_was_moved_is_told_of_again(session: Tx) -> None:
    on_trial(session)
    tell_ending()

    session.execute("UPDATE users SET trial_ends_at = trial_ends_at + interval '30 days'")
    far = tell_ending()
    session.execute("UPDATE users SET trial_ends_at = now() + interval '1 hour'")

    assert (far, tell_ending(), len(mails(session))) == (0, 1, 2)


@pytest.mark.parametrize(
    "columns",
    [
        {"trial_ends_at": None},
        {"trial_ends_at": now() - DAY},
        {"status": "active"},
        {"status": "suspended"},
        {"stripe_subscription_id": "sub_1"},
    ],
    ids=["never ends", "is over", "no trial", "suspended", "has subscribed"],
)
def test_nobody_else_is_told(session: Tx, columns: dict[str, Any]) -> None:
    on_trial(session, **columns)

    assert tell_ending() == 0


def test_more_than_a_chunk_are_all_told(session: Tx) -> None:
    session.execute(
        "INSERT INTO users (email, password_hash, status, trial_ends_at)"
        " SELECT n || '@example.com', '-', 'trial', now() + interval '1 day'"
        " FROM generate_series(1, 450) n"
    )

    assert tell_ending() == 450
    assert len(mails(session)) == 450


@pytest.mark.parametrize(
    ("columns", "becomes"),
    [
        ({}, "suspended"),
        ({"stripe_subscription_id": "sub_1"}, "trial"),
        ({"trial_ends_at": None}, "trial"),
        ({"trial_ends_at": now() + DAY}, "trial"),
        ({"status": "active"}, "active"),
    ],
    ids=["over", "has subscribed", "never ends", "goes on", "no trial"],
)
def test_a_trial_that_is_over_is_suspended(
    session: Tx, columns: dict[str, Any], becomes: str
) -> None:
    user = on_trial(session, **{"trial_ends_at": now() - DAY} | columns)["id"]

    billing.settle()
    billing.settle()

    row = session.execute("SELECT status FROM users WHERE id = %s", (user,)).fetchone()
    assert row == (becomes,)


def test_a_trial_that_is_ended_by_sql_is_over_and_one_that_is_prolonged_begins_anew(
    session: Tx,
) -> None:
    on_trial(session)
    session.execute("UPDATE users SET trial_ends_at = now()")
    billing.settle()
    over = session.execute("SELECT status FROM users").fetchall()

    session.execute("UPDATE users SET status = 'trial', trial_ends_at = now() + interval '9 days'")
    billing.settle()

    assert over == [("suspended",)]
    assert session.execute("SELECT status FROM users").fetchall() == [("trial",)]
