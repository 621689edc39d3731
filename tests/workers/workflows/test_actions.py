"""Actions in the database: what each does, and what it says when it cannot."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from db.connection import Tx
from tests import make
from tests.conftest import Connect
from tests.workers.workflows.test_running import fire, state, work, write
from workers.content import publish


@pytest.fixture
def session(connect: Connect) -> Tx:
    """Commits each statement."""
    return connect()


def test_content_is_written_scheduled_and_published_by_steps(session: Tx) -> None:
    campaign = make.campaign(session, tracking_id="spring", name="Spring")
    run = fire(
        session,
        write(
            session,
            [
                {"name": "post", "create_content": {
                    "type": "blog_post", "title": "About {{ campaign.name }}", "body": "text",
                    "campaign": "spring", "metadata": {"by": "{{ run.id }}"}}},
                {"schedule_content": {"content": "{{ steps.post.content }}",
                                      "at": "2099-01-01T00:00:00Z"}},
                {"publish_content": {"content": "{{ steps.post.content }}"}},
                {"name": "again", "publish_content": {"content": "{{ steps.post.content }}"}},
            ],
            user_id=campaign["user_id"],
        ),
    )  # fmt: skip

    work(session)

    assert state(session, run) == ("done", "succeeded", None)
    found = session.execute(
        "SELECT campaign_id, title, status, published_at IS NOT NULL, metadata FROM content"
    ).fetchone()
    assert found == (campaign["id"], "About Spring", "published", True, {"by": str(run)})
    told = session.execute("SELECT output->>'published' FROM workflow_steps WHERE name = 'again'")
    assert told.fetchone() == ("false",)


def test_content_that_a_workflow_schedules_keeps_how_deep_it_came_from(session: Tx) -> None:
    user = make.user(session)["id"]
    listening = write(
        session, [], user_id=user, trigger_type="event",
        trigger_config=Jsonb({"event": "content_published"}),
    )  # fmt: skip
    session.execute(
        "UPDATE workflow_states SET listens = 'content_published', checked = true"
        " WHERE workflow_id = %s", (listening,),
    )  # fmt: skip
    steps = [
        {"name": "post", "create_content": {"type": "blog_post", "body": "text"}},
        {"schedule_content": {"content": "{{ steps.post.content }}", "at": "{{ input.at }}"}},
    ]
    fire(
        session, write(session, steps, user_id=user), depth=3,
        input=Jsonb({"input": {"at": "2026-01-01T00:00:00Z"}}),
    )  # fmt: skip

    work(session)
    publish()

    found = session.execute("SELECT kind, depth FROM workflow_events").fetchall()
    assert found == [("content_published", 3)]


@pytest.mark.parametrize("refunded", [False, True])
def test_a_bonus_is_owed_for_a_sale_that_counts(session: Tx, refunded: bool) -> None:
    campaign = make.campaign(session)
    bonus = make.bonus(session, campaign["id"], delivery_method="download", is_active=True)
    order = make.order(session, campaign["user_id"], receipt="R1", campaign_id=campaign["id"])
    make.receipt(session, order)
    if refunded:
        make.receipt(session, order, type="refund", state="refund")
    deliver = {"deliver_bonus": {"receipt": "R1", "bonus": str(bonus["id"])}}
    run = fire(session, write(session, [deliver, deliver], user_id=campaign["user_id"]))

    work(session)

    owed = session.execute("SELECT bonus_id, receipt FROM bonus_deliveries").fetchall()
    found = state(session, run)
    assert found is not None
    assert found[:2] == (("dead", "failed") if refunded else ("done", "succeeded"))
    assert owed == ([] if refunded else [(bonus["id"], "R1")])


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"set_campaign_status": {"campaign": "gone", "status": "paused"}}, "no campaign gone"),
        ({"publish_content": {"content": "gone"}}, "no content gone"),
        ({"schedule_content": {"content": "gone", "at": "2099-01-01T00:00:00Z"}}, "no content"),
        ({"schedule_content": {"content": "gone", "at": "tomorrow"}}, "`tomorrow` is no time"),
        ({"deliver_bonus": {"receipt": "gone"}}, "has the receipt gone"),
        ({"run_workflow": {"workflow": "gone"}}, "no workflow gone"),
        ({"record_note": {"text": "{{ event.gone }}"}}, "`event.gone` is missing"),
        ({"record_note": {"text": "{{ secrets.key }}"}}, "`secrets.key` is missing"),
        ({"create_content": {"type": "x", "body": "b", "campaign": "gone"}}, "no campaign gone"),
        ({"for_each": {"items": "{{ input }}", "do": []}}, "no list"),
        ({"for_each": {"items": [1, 2, 3], "max": 2, "do": []}}, "3 items are more than 2"),
        ({"wait": {"until": "2026-01-01T00:00:00"}}, "no time zone"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_what_cannot_be_done_fails_with_its_reason(
    session: Tx, action: dict[str, Any], reason: str
) -> None:
    run = fire(session, write(session, [action]))

    work(session)

    found = state(session, run)
    assert found is not None
    assert found[:2] == ("dead", "failed")
    assert reason in found[2]


def test_nobody_touches_what_is_another_s(session: Tx) -> None:
    theirs = make.campaign(session, tracking_id="theirs", status="active")
    content = make.content(session, theirs["user_id"])
    run = fire(
        session,
        write(
            session,
            [
                {"set_campaign_status": {"campaign": "theirs", "status": "paused"},
                 "on_error": "continue"},
                {"set_campaign_status": {"campaign": str(theirs["id"]), "status": "paused"},
                 "on_error": "continue"},
                {"publish_content": {"content": str(content["id"])}, "on_error": "continue"},
            ],
        ),
    )  # fmt: skip

    work(session)

    assert state(session, run) == ("done", "succeeded", None)
    assert session.execute("SELECT status FROM campaigns").fetchone() == ("active",)
    assert session.execute("SELECT status FROM content").fetchone() == ("draft",)


def test_a_busy_campaign_is_tried_again(session: Tx, connect: Connect) -> None:
    campaign = make.campaign(session, status="active")
    run = fire(
        session,
        write(
            session,
            [{"set_campaign_status": {"campaign": str(campaign["id"]), "status": "paused"}}],
            user_id=campaign["user_id"], trigger_config=Jsonb({}),
        ),
    )  # fmt: skip
    other = connect()
    other.execute("BEGIN")
    other.execute("SELECT 1 FROM campaigns FOR UPDATE")

    work(session)
    held = state(session, run)
    other.execute("ROLLBACK")
    session.execute("UPDATE workflow_runs SET next_attempt_at = now()")
    work(session)
    work(session)

    assert held is not None
    assert held[0] == "pending"
    assert state(session, run) == ("done", "succeeded", None)
