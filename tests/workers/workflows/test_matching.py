"""Matching: facts become runs of the workflows that listen, each exactly as often as it should."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from db import letters
from db.connection import Tx, transaction
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.workers.workflows.listening import (
    fact,
    facts,
    fired,
    in_threads,
    listener,
    matched,
    runs,
)
from workers.workflows import matching


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Looks at what was committed."""
    return connect()


@pytest.fixture
def campaign(session: Tx) -> Made:
    """A campaign and its user."""
    return make.campaign(session)


def test_an_event_matched_by_four_workers_makes_one_run(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund")
    listener(session, campaign["user_id"], "refund")
    for _ in range(50):
        fact(session, campaign["user_id"], "refund")

    in_threads(4)

    assert len(runs(session)) == 100
    assert {one["state"] for one in facts(session)} == {"done"}


def test_a_workflow_hears_of_its_own_kind_and_user_alone(session: Tx, campaign: Made) -> None:
    mine = listener(session, campaign["user_id"], "refund")
    listener(session, campaign["user_id"], "rebill")
    listener(session, make.user(session)["id"], "refund")
    paused = listener(session, campaign["user_id"], "refund")
    session.execute("UPDATE workflows SET status = 'paused' WHERE id = %s", (paused["id"],))

    fact(session, campaign["user_id"], "refund")
    matched()

    assert [run["workflow_id"] for run in runs(session)] == [mine["id"]]


def test_a_campaign_is_named_by_its_id_or_its_tracking_id(session: Tx, campaign: Made) -> None:
    other = make.campaign(session, user_id=campaign["user_id"])
    for one in (str(campaign["id"]), campaign["tracking_id"], str(campaign["id"]).upper()):
        listener(session, campaign["user_id"], "refund", campaign=one)
    listener(session, campaign["user_id"], "refund", campaign=other["tracking_id"])

    fact(session, campaign["user_id"], "refund", campaign_id=campaign["id"])
    fact(session, campaign["user_id"], "refund")
    matched()

    assert [run["campaign_id"] for run in runs(session)] == [campaign["id"]] * 3


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (["event.revenue >= 50"], True),
        (["event.revenue >= 50", "event.source == 'mail'"], True),
        (["event.revenue > 50.5"], False),
        (["event.nothing == 1"], False),
        (["event.source > 3"], False),
    ],
    ids=range(5),
)
def test_a_filter_decides(session: Tx, campaign: Made, where: list[str], holds: bool) -> None:
    listener(session, campaign["user_id"], "conversion", where=where)

    fact(session, campaign["user_id"], "conversion", data={"revenue": "50.10", "source": "mail"})
    matched()

    assert len(runs(session)) == holds
    assert [one["outcome"] for one in facts(session)] == ["matched" if holds else "unmatched"]


def test_a_run_of_a_suspended_user_is_recorded_and_skipped(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund")
    session.execute("UPDATE users SET status = 'suspended'")

    fact(session, campaign["user_id"], "refund")
    matched()

    (run,) = runs(session)
    assert (run["state"], run["outcome"], run["reason"]) == ("done", "skipped", "suspended")


def test_a_loop_ends_and_shows(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund")

    fact(session, campaign["user_id"], "refund", depth=7)
    fact(session, campaign["user_id"], "refund", depth=8)
    matched()

    last, beyond = runs(session)
    assert (last["depth"], last["state"]) == (8, "pending")
    assert (beyond["state"], beyond["outcome"], beyond["reason"]) == ("done", "skipped", "loop")


@pytest.mark.parametrize("config", [{"where": ["1 +"]}, {"batch": -1}, {"event": "click"}])
def test_one_that_cannot_be_read_holds_up_nobody(
    session: Tx, campaign: Made, config: dict[str, Any]
) -> None:
    fine = listener(session, campaign["user_id"], "refund")
    odd = listener(session, campaign["user_id"], "refund")
    session.execute(
        "UPDATE workflows SET trigger_config = trigger_config || %s::jsonb WHERE id = %s",
        (Jsonb(config), odd["id"]),
    )

    fact(session, campaign["user_id"], "refund")
    matched()

    assert [run["workflow_id"] for run in runs(session)] == [fine["id"]]


def test_a_fact_that_cannot_be_matched_is_a_dead_letter_and_may_be_replayed(
    session: Tx, campaign: Made
) -> None:
    listener(session, campaign["user_id"], "refund")
    fact(session, campaign["user_id"], "refund")
    odd = fact(session, campaign["user_id"], "refund", campaign_id=campaign["id"])
    fact(session, campaign["user_id"], "refund")
    session.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON workflow_runs FOR EACH ROW"
        " WHEN (NEW.campaign_id IS NOT NULL) EXECUTE FUNCTION refuse()"
    )

    try:
        matched()
        (letter,) = letters.page(session, "happening", letters.Which(), 10)
    finally:
        session.execute("DROP FUNCTION refuse() CASCADE")
    before = len(runs(session))
    letters.replay(session, "happening", [letter.id])
    matched()

    assert (letter.id, letter.kind, letter.reason) == (odd["id"], "refund", "failed")
    assert "not this one" in (letter.error or "")
    assert (before, len(runs(session))) == (2, 3)


def test_once_per_hundred_is_exact_whoever_counts(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "click", batch=100)
    session.execute(
        "INSERT INTO workflow_events (user_id, kind, data)"
        " SELECT %s, 'click', jsonb_build_object('n', n) FROM generate_series(1, 2530) AS n",
        (campaign["user_id"],),
    )

    in_threads(4)

    found = runs(session)
    numbers = [event["n"] for run in found for event in run["input"]["events"]]
    assert [run["input"]["number"] for run in found] == [100] * 25
    assert len(set(numbers)) == len(numbers) == 2500
    row = session.execute("SELECT number, state FROM workflow_gathers").fetchone()
    assert row == (30, "pending")
    assert facts(session) == []


def test_a_batch_that_is_undone_counts_nothing(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund", batch=10)
    for _ in range(10):
        fact(session, campaign["user_id"], "refund")

    with transaction() as tx:  # a worker that dies before it commits
        matching._settle(tx, matching._claim(tx))
        tx.rollback()
    before = len(runs(session))
    matched()

    assert (before, [run["input"]["number"] for run in runs(session)]) == (0, [10])


def test_facts_are_gathered_apart_by_key(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund", batch=2, key="event.source")
    for source in ("a", "b", "a", "c" * 300, None, "b", "c" * 300):
        data = {} if source is None else {"source": source}
        fact(session, campaign["user_id"], "refund", data=data)

    matched()

    found = [run["input"]["event"]["source"][:1] for run in runs(session)]
    assert sorted(found) == ["a", "b", "c"]


def test_a_silence_fires_once_with_all_that_came(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund", debounce_seconds=60)
    for number in range(3):
        fact(session, campaign["user_id"], "refund", data={"n": number})

    matched()
    fired()
    before = len(runs(session))
    session.execute("UPDATE workflow_gathers SET next_attempt_at = now() - interval '1 second'")
    for _ in range(2):
        fired()

    (run,) = runs(session)
    assert before == 0
    assert (run["input"]["number"], run["input"]["event"]["n"]) == (3, 2)
    assert [event["n"] for event in run["input"]["events"]] == [0, 1, 2]


def test_once_a_minute_loses_nothing(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund", throttle_seconds=60)
    for _ in range(2):
        for _ in range(3):
            fact(session, campaign["user_id"], "refund")
        matched()
    first = [run["input"]["number"] for run in runs(session)]

    session.execute("UPDATE workflow_gathers SET next_attempt_at = now() - interval '1 second'")
    fired()
    fact(session, campaign["user_id"], "refund")
    matched()

    assert first == [1]
    assert [run["input"]["number"] for run in runs(session)] == [1, 5]
    row = session.execute("SELECT number, next_attempt_at > now() FROM workflow_gathers").fetchone()
    assert row == (1, True)


def test_what_was_gathered_for_a_paused_workflow_is_let_go(session: Tx, campaign: Made) -> None:
    listener(session, campaign["user_id"], "refund", debounce_seconds=60)
    fact(session, campaign["user_id"], "refund")
    matched()
    session.execute("UPDATE workflows SET status = 'paused'")
    session.execute("UPDATE workflow_gathers SET next_attempt_at = now() - interval '1 second'")

    fired()

    assert runs(session) == []
    assert session.execute("SELECT number, state FROM workflow_gathers").fetchone() == (0, "done")


def test_a_run_follows_the_policy_when_one_is_under_way(session: Tx, campaign: Made) -> None:
    for policy in ("skip", "queue", "cancel_previous", "allow"):
        listener(session, campaign["user_id"], "refund", overlap=policy)
    for _ in range(2):
        fact(session, campaign["user_id"], "refund")

    matched()
    fact(session, campaign["user_id"], "refund")
    matched()

    found: dict[Any, list[tuple[Any, ...]]] = {}
    for run in runs(session):
        found.setdefault(run["workflow_id"], []).append(
            (run["state"], run["queued"], run["cancel"], bool(run["reason"]))
        )
    policies = session.execute(
        "SELECT id, trigger_config->>'overlap' FROM workflows"
    ).fetchall()  # fmt: skip
    by_policy = {policy: sorted(found[key]) for key, policy in policies}
    begun, skipped = ("pending", False, False, False), ("done", False, False, True)
    assert by_policy["skip"] == [skipped, skipped, begun]
    assert by_policy["queue"] == [begun, *[("pending", True, False, False)] * 2]
    assert by_policy["cancel_previous"] == [skipped, begun, ("pending", False, True, False)]
    assert by_policy["allow"] == [begun] * 3


def test_a_flood_of_one_user_holds_up_nobody(session: Tx, campaign: Made) -> None:
    other = make.user(session)
    listener(session, campaign["user_id"], "refund")
    listener(session, other["id"], "refund")
    session.execute(
        "INSERT INTO workflow_events (user_id, kind, data)"
        " SELECT %s, 'refund', '{}' FROM generate_series(1, 3000)",
        (campaign["user_id"],),
    )
    fact(session, other["id"], "refund")

    matching.step()

    assert other["id"] in {run["user_id"] for run in runs(session)}
