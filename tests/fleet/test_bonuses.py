"""Bonuses with real processes: from the sale to the file, and through `kill -9` of who mails."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests import make
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.workers.post import Post, post

FILE = "https://files.example.com/tips.pdf"


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    """The fleet's mail server."""
    with post() as found:
        yield found


@pytest.fixture(scope="module")
def mailing(server: Post) -> Iterator[Fleet]:
    """A fleet that has it."""
    fleet = Fleet(smtp_url=server.url, smtp_timeout_seconds="5")
    yield fleet
    fleet.end()


def _sell(fleet: Fleet, campaign: make.Made, key: dict[str, str], *orders: str) -> None:
    """Sales, as a developer's server reports them; an order that is an address tells its buyer."""
    told = [
        {
            "type": "conversion", "tracking_id": campaign["tracking_id"], "order_id": order,
            "amount": "10.00", "event_id": order, **({"email": order} if "@" in order else {}),
        }
        for order in orders
    ]  # fmt: skip
    answer = fleet.ask("POST", "/v1/events", key, json.dumps(told))
    assert answer.status == 202, answer.body


def _claim(fleet: Fleet, campaign: make.Made, receipt: str, email: str) -> str:
    """The link that the claim's answer carries."""
    body = json.dumps({"receipt": receipt, "email": email})
    answer = fleet.ask(
        "POST", f"/b/claim/{campaign['tracking_id']}", {"Content-Type": "application/json"}, body
    )
    assert answer.status == 200
    return re.sub("^https?://[^/]*", "", json.loads(answer.body)["download_url"])


def _count(fleet: Fleet, bonus_id: Any) -> int:
    """What the bonus says; fails when its deliveries say otherwise."""
    ((said, rows),) = fleet.sql(
        "SELECT delivered_count, (SELECT count(*) FROM bonus_deliveries d"
        " WHERE d.bonus_id = b.id AND d.delivered_at IS NOT NULL) FROM bonuses b WHERE id = %s",
        bonus_id,
    )
    assert said == rows
    return int(said)


def test_a_buyer_is_served_from_the_sale_to_the_file(mailing: Fleet, server: Post) -> None:
    campaign = mailing.campaign()
    key = mailing.key(campaign["user_id"])
    words = ("--campaign", campaign["tracking_id"], "--file-url", FILE, "--json")
    linked = json.loads(
        mailing.hopfleet("bonuses", "add", *words, "--name", "Tips", "--method", "download")
    )["id"]
    mailed = json.loads(mailing.hopfleet("bonuses", "add", *words, "--name", "More"))["id"]

    link = _claim(mailing, campaign, "order-1", "ada@example.com")
    guessed = _claim(mailing, campaign, "order-2", "eve@example.com")
    _sell(mailing, campaign, key, "ORDER-1")
    until(lambda: mailing.ask("GET", link).status == 302, 20, "the claim's link works")
    until(lambda: len(server.mails) == 2, 20, "both are mailed")
    answer = mailing.ask("GET", link)
    mailing.until_drained()

    assert answer.headers["location"] == FILE
    assert mailing.ask("GET", guessed).status == 200
    assert set(server.recipients) == {"ada@example.com"}
    until(lambda: (_count(mailing, linked), _count(mailing, mailed)) == (1, 1), 20, "both count")
    shown = json.loads(mailing.hopfleet("conversions", "show", "ORDER-1", "--json"))
    assert [one["state"] for one in shown["deliveries"]] == ["delivered"] * 2
    assert mailing.sql("SELECT count(*) >= 2 FROM bonus_downloads") == [(True,)]

    refund = {"type": "refund", "order_id": "ORDER-1", "amount": "10.00", "event_id": "back"}
    told = {**refund, "tracking_id": campaign["tracking_id"]}
    assert mailing.ask("POST", "/v1/events", key, json.dumps(told)).status == 202
    until(lambda: mailing.ask("GET", link).status == 410, 20, "the link has ended")
    assert (_count(mailing, linked), _count(mailing, mailed)) == (1, 1)
    assert "MISSING" not in mailing.hopfleet("audit", "--since", "1h")


@pytest.mark.parametrize(
    ("mails", "kills"), [(60, 2), pytest.param(1_000, 12, marks=pytest.mark.long)]
)
def test_killed_workers_send_every_mail_once_or_say_that_nobody_knows(
    mailing: Fleet, server: Post, mails: int, kills: int
) -> None:
    campaign = mailing.campaign()
    with mailing.connect() as session:
        bonus = make.bonus(session, campaign["id"], file_url=FILE)
    before = len(server.mails)
    server.plan = ["451 later", "take", "take", "drop"] * (mails // 4)
    orders = [f"buyer{number}@example.com" for number in range(mails)]
    _sell(mailing, campaign, mailing.key(campaign["user_id"]), *orders)

    for kill in range(1, kills + 1):
        wanted = before + kill * mails // (kills + 1) // 2
        until(lambda n=wanted: len(server.mails) > n, 40, f"kill {kill}")  # type: ignore[misc]
        mailing.restart("upkeep")
    until(lambda: _settled(mailing, bonus["id"], mails), 90, "all deliveries have ended")

    took = Counter(str(mail["Message-ID"]) for mail in server.mails[before:])
    doubted = {
        f"<bonus-{row[0]}-0@localhost>"
        for row in mailing.sql(
            "SELECT delivery_id FROM delivery_attempts WHERE outcome = 'unknown'"
        )
    }
    done = _count(mailing, bonus["id"])
    states = mailing.sql(
        "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'dead'"
        " AND reason = 'outcome_unknown'), count(*) FROM bonus_deliveries WHERE bonus_id = %s",
        bonus["id"],
    )
    assert states == [(done, mails - done, mails)]
    assert {name for name, count in took.items() if count > 1} <= doubted
    delivered = mailing.sql(
        "SELECT id FROM bonus_deliveries WHERE bonus_id = %s AND delivered_at IS NOT NULL",
        bonus["id"],
    )
    assert {f"<bonus-{row[0]}-0@localhost>" for row in delivered} <= set(took)
    assert mailing.sql("SELECT count(*) FROM delivery_attempts WHERE outcome IS NULL") == [(0,)]


def _settled(fleet: Fleet, bonus_id: Any, mails: int) -> bool:
    fleet.sql(
        "UPDATE bonus_deliveries SET next_attempt_at = now() WHERE bonus_id = %s"
        " AND state = 'pending' AND next_attempt_at > now()", bonus_id,
    )  # fmt: skip
    ((ended,),) = fleet.sql(
        "SELECT count(*) FROM bonus_deliveries WHERE bonus_id = %s AND state IN ('done', 'dead')",
        bonus_id,
    )
    return int(ended) == mails
