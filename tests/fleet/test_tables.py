"""Whatever another application writes into the tables acts at the doors within two seconds."""

from typing import Any

import pytest

from tests.fleet.fleet import Answer, Fleet
from tests.fleet.program import until

SECONDS = 2
_EVENT = '{"type":"click","tracking_id":"%s"}'


def _location(answer: Answer) -> str | int:
    """Where an answer sends, or its status when it sends nowhere."""
    return answer.headers.get("location", answer.status)


def test_a_campaign_that_was_unknown_is_followed_once_it_is_written(fleet: Fleet) -> None:
    name = f"later{fleet.port}"
    before = fleet.click(name)

    fleet.campaign(tracking_id=name)

    until(lambda: fleet.click(name).status == 302, SECONDS, "the new link works")
    assert before.status == 404


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("affiliate_link = 'https://example.com/other'", "https://example.com/other"),
        ("affiliate_link = NULL", 404),
        ("status = 'draft'", 404),
        ("status = 'paused', settings = '{\"fallback_url\":\"https://example.com/closed\"}'",
         "https://example.com/closed"),
        ("settings = '{\"pass_through\":true}'", "https://example.com/?colour=red"),
        ("tracking_id = tracking_id || 'x'", 404),
    ],
)  # fmt: skip
def test_a_changed_campaign_acts_within_two_seconds(
    fleet: Fleet, change: str, where: str | int
) -> None:
    campaign = fleet.campaign()
    name = campaign["tracking_id"]
    before = _location(fleet.click(name, "colour=red"))

    fleet.sql(f"UPDATE campaigns SET {change} WHERE id = %s", campaign["id"])

    until(lambda: _location(fleet.click(name, "colour=red")) == where, SECONDS, change)
    assert before == "https://example.com/"


def test_a_new_tracking_id_of_an_old_campaign_works(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    moved = campaign["tracking_id"] + "y"
    before = fleet.click(moved).status

    fleet.sql("UPDATE campaigns SET tracking_id = %s WHERE id = %s", moved, campaign["id"])

    until(lambda: fleet.click(moved).status == 302, SECONDS, "the new id works")
    assert before == 404


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM campaigns WHERE id = %(id)s",
        "DELETE FROM users WHERE id = %(user_id)s",
        "INSERT INTO purges (noun, key) VALUES ('campaign', %(id)s)",
        "INSERT INTO purges (noun, key) VALUES ('user', %(user_id)s)",
    ],
)
def test_a_deleted_campaign_stops_within_two_seconds(fleet: Fleet, statement: str) -> None:
    campaign = fleet.campaign()
    before = fleet.click(campaign["tracking_id"]).status

    with fleet.connect() as session:
        session.execute(statement, campaign)

    until(lambda: fleet.click(campaign["tracking_id"]).status == 404, SECONDS, statement)
    assert before == 302


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("UPDATE users SET status = 'suspended' WHERE id = %(user_id)s", 403),
        ("UPDATE api_keys SET revoked_at = now() WHERE user_id = %(user_id)s", 401),
        ("UPDATE api_keys SET scopes = '{reports:read}' WHERE user_id = %(user_id)s", 403),
        ("DELETE FROM api_keys WHERE user_id = %(user_id)s", 401),
    ],
)
def test_what_happens_to_an_account_or_key_acts_at_the_batch_door(
    fleet: Fleet, statement: str, status: int
) -> None:
    campaign: dict[str, Any] = fleet.campaign()
    key = fleet.key(campaign["user_id"])
    event = _EVENT % campaign["tracking_id"]
    before = fleet.ask("POST", "/v1/events", key, event).status

    with fleet.connect() as session:
        session.execute(statement, campaign)

    until(lambda: fleet.ask("POST", "/v1/events", key, event).status == status, SECONDS, statement)
    assert before == 202


def test_links_of_a_suspended_user_go_on(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    key = fleet.key(campaign["user_id"])
    event = _EVENT % campaign["tracking_id"]
    fleet.click(campaign["tracking_id"])

    fleet.sql("UPDATE users SET status = 'suspended' WHERE id = %s", campaign["user_id"])
    until(lambda: fleet.ask("POST", "/v1/events", key, event).status == 403, SECONDS, "suspended")
    answer = fleet.click(campaign["tracking_id"])

    assert answer.status == 302
    assert answer.click_id


def test_a_post_that_is_due_is_published_within_two_seconds(fleet: Fleet) -> None:
    def statuses() -> list[Any]:
        return fleet.sql("SELECT status FROM content WHERE user_id = %s ORDER BY title", user)

    def post(title: str, due: str) -> None:
        fleet.sql(
            "INSERT INTO content (user_id, type, title, body, status, scheduled_for)"
            f" VALUES (%s, 'blog_post', %s, '', 'scheduled', now() + interval '{due}')",
            user, title,
        )  # fmt: skip

    user = fleet.campaign()["user_id"]
    post("a later one", "1 day")
    post("the one", "0")

    until(lambda: statuses() == [("scheduled",), ("published",)], SECONDS, "it is published")
    fleet.sql("UPDATE users SET status = 'suspended' WHERE id = %s", user)
    fleet.sql("UPDATE content SET scheduled_for = now() WHERE title = 'a later one'")
    held = "SELECT held FROM publications WHERE user_id = %s"
    until(lambda: fleet.sql(held, user) == [(True,)], SECONDS, "the other one waits")
    fleet.sql("UPDATE users SET status = 'active' WHERE id = %s", user)
    until(lambda: statuses() == [("published",)] * 2, SECONDS, "the other one, too")
