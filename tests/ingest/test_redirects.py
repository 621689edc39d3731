"""`/r/{tracking_id}`: a click is on disk before the visitor moves on."""

import asyncio
from typing import Any

import pytest

from base.ids import ms_of
from db import accounts
from db import campaigns as db_campaigns
from journal.streams import Kind
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.ingest.talking import ask, request
from tests.journal import putting

SHOP = "https://shop.example/?c={click_id}"


def path(link: dict[str, Any]) -> str:
    return f"/r/{link['tracking_id']}"


def test_a_click_is_in_the_journal_before_its_answer(door: Door, connect: Connect) -> None:
    link = make.campaign(connect(), affiliate_link=SHOP)

    answer = door.get(path(link))

    (item,) = putting.items()
    assert answer.status == 302
    assert answer.headers["x-click-id"] == item["id"]
    assert answer.headers["location"] == f"https://shop.example/?c={item['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (item["type"], item["user"], item["campaign"]) == (
        "click", str(link["user_id"]), str(link["id"]),
    )  # fmt: skip
    assert abs(ms_of(item["id"]) - door.base.clock.ms()) < 10_000


@pytest.mark.parametrize("written", ["café".encode(), b"caf%C3%A9"])
def test_a_query_may_hold_utf8_as_it_is(door: Door, connect: Connect, written: bytes) -> None:
    link = make.campaign(connect())
    data = request("GET", path(link) + "?source=SOURCE", {}).replace(b"SOURCE", written)

    answer = door.wait(ask(door.port, data))

    (item,) = putting.items()
    assert (answer.status, item["source"]) == (302, "café")


def test_clicks_that_come_together_share_batches(door: Door, connect: Connect) -> None:
    link = make.campaign(connect())
    door.get(path(link))

    async def many() -> list[Any]:
        data = request("GET", path(link), {})
        return await asyncio.gather(*[ask(door.port, data) for _ in range(50)])

    ids = {answer.headers["x-click-id"] for answer in door.wait(many())}

    assert len(ids) == 50
    assert ids <= {item["id"] for item in putting.items()}
    assert len(putting.batches()) < 50


def test_head_is_sent_on_and_records_nothing(door: Door, connect: Connect) -> None:
    link = make.campaign(connect(), affiliate_link=SHOP)

    answer = door.ask("HEAD", path(link))

    assert (answer.status, answer.headers["location"]) == (302, "https://shop.example/?c=")
    assert "x-click-id" not in answer.headers
    assert putting.items() == []
    assert door.doors.counts["head"] == 1


@pytest.mark.parametrize("target", ["/r/nobody", "/r/" + "x" * 51, "/r/%00", "/r/a/b", "/r/%F0%9F"])
def test_an_unknown_link_is_404_and_harms_nobody(door: Door, connect: Connect, target: str) -> None:
    link = make.campaign(connect())

    for _ in range(2):
        answer = door.get(target)
        assert (answer.status, "x-click-id" in answer.headers) == (404, False)

    assert door.base.keeper.away is None
    assert door.get(path(link)).status == 302


def test_an_unknown_link_goes_to_the_installations_fallback(
    journal: str, open_door: OpenDoor
) -> None:
    door = open_door(fallback_url="https://fallback.example/?s={sub1}")

    answer = door.get("/r/nobody?sub1=x")

    assert (answer.status, answer.headers["location"]) == (302, "https://fallback.example/?s=x")
    assert "x-click-id" not in answer.headers
    assert putting.items() == []


@pytest.mark.parametrize("target", ["/r", "/r/", "/", "/rr/x", "/R/x", "//r/x"])
def test_an_address_without_a_door_is_404(door: Door, target: str) -> None:
    assert door.get(target).status == 404


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/r/x", "GET, HEAD"),
        ("DELETE", "/p/x.gif", "GET, HEAD"),
        ("GET", "/e/x", "POST, OPTIONS"),
        ("GET", "/v1/events", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_a_door_says_what_it_takes(door: Door, method: str, target: str, allowed: str) -> None:
    answer = door.ask(method, target)

    assert (answer.status, answer.headers["allow"]) == (405, allowed)


def test_a_proxys_absolute_address_is_the_same_address(door: Door, connect: Connect) -> None:
    link = make.campaign(connect())

    answer = door.get(f"http://elsewhere.example{path(link)}?sub1=x")

    assert answer.status == 302
    assert putting.items()[0]["meta"]["sub1"] == "x"


@pytest.mark.parametrize("target", ["http://[::1/r/x", "http://[/r/x", "http://", "*", "r/x"])
def test_an_absolute_address_without_sense_is_no_bug_of_ours(door: Door, target: str) -> None:
    assert door.ask("OPTIONS", target).status in (400, 404, 405)


def test_macros_parameters_and_source_reach_destination_and_item(
    door: Door, connect: Connect
) -> None:
    link = make.campaign(
        connect(),
        affiliate_link="https://shop.example/{campaign_id}?s={source}&a={sub1}&g={gclid}",
        settings={"pass_through": True, "referrer_policy": "no-referrer"},
    )

    answer = door.get(f"{path(link)}?source=news%20letter&sub1=%26x&gclid=G&more=1&utm_term=t")

    (item,) = putting.items()
    assert answer.headers["location"] == (
        f"https://shop.example/{link['id']}?s=news%20letter&a=%26x&g=G&more=1&utm_term=t"
    )
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert item["source"] == "news letter"
    assert item["meta"]["sub1"] == "&x"
    assert item["meta"]["utm_term"] == "t"
    assert "more" not in item["meta"]


OWN, ACCOUNT, LINK = "https://own.example/", "https://account.example/", "https://link.example/"


@pytest.mark.parametrize(
    ("status", "settings", "link", "account", "where", "kept"),
    [
        ("active", {}, LINK, None, LINK, None),
        ("active", {"fallback_url": OWN}, LINK, ACCOUNT, LINK, None),
        ("active", {"fallback_url": OWN}, None, ACCOUNT, OWN, None),
        ("active", {}, None, ACCOUNT, ACCOUNT, None),
        ("active", {}, "javascript:alert(1)", ACCOUNT, ACCOUNT, None),
        ("paused", {}, LINK, ACCOUNT, LINK, "paused"),
        ("paused", {"fallback_url": OWN}, LINK, ACCOUNT, OWN, "paused"),
        ("completed", {"fallback_url": OWN}, LINK, None, OWN, "completed"),
        ("completed", {}, LINK, None, LINK, "completed"),
        ("strange", {}, LINK, None, LINK, "strange"),
        ("draft", {"fallback_url": OWN}, LINK, ACCOUNT, ACCOUNT, "nothing"),
        ("draft", {"fallback_url": OWN}, LINK, None, None, "nothing"),
        ("deleted", {}, LINK, ACCOUNT, ACCOUNT, "nothing"),
        ("active", {}, None, None, None, "nothing"),
    ],
)
def test_where_a_status_leads_and_what_is_kept(
    door: Door, connect: Connect, status: str, settings: dict[str, Any], link: str | None,
    account: str | None, where: str | None, kept: str | None,
) -> None:  # fmt: skip
    session = connect()
    made = make.campaign(session, status=status, settings=settings, affiliate_link=link)
    accounts.set_fallback(session, made["user_id"], account)

    answer = door.get(path(made))

    items = putting.items()
    assert answer.status == (404 if where is None else 302)
    assert answer.headers.get("location") == where
    assert len(items) == (0 if kept == "nothing" else 1)
    assert [item["meta"].get("campaign_status") for item in items] == [kept] * len(items)
    assert ("x-click-id" in answer.headers) == bool(items)


@pytest.mark.parametrize("status", ["suspended", "trial", "active", "canceled"])
def test_visitors_are_not_their_marketers_debtors(
    door: Door, connect: Connect, status: str
) -> None:
    session = connect()
    owner = make.user(session, status=status)
    link = make.campaign(session, user_id=owner["id"])

    assert door.get(path(link)).status == 302
    assert len(putting.items()) == 1


def test_a_link_that_leads_back_to_this_door_is_no_destination(
    door: Door, connect: Connect
) -> None:
    session = connect()
    link = make.campaign(session, affiliate_link=f"{door.settings.url}/r/other")

    assert door.get(path(link)).status == 404


def test_a_campaign_marked_for_deletion_is_gone_for_visitors(door: Door, connect: Connect) -> None:
    session = connect()
    link = make.campaign(session)
    assert door.get(path(link)).status == 302

    db_campaigns.mark_purge(session, link["id"])

    door.until(lambda: _is_gone(door, link), 2)


async def _is_gone(door: Door, link: dict[str, Any]) -> bool:
    return (await ask(door.port, request("GET", path(link), {}))).status == 404


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaigns SET affiliate_link = 'https://new.example/' WHERE tracking_id = %s",
        "UPDATE campaigns SET tracking_id = tracking_id || 'x' WHERE tracking_id = %s",
        "UPDATE campaigns SET status = 'draft' WHERE tracking_id = %s",
        "DELETE FROM campaigns WHERE tracking_id = %s",
        "DELETE FROM users WHERE id = (SELECT user_id FROM campaigns WHERE tracking_id = %s)",
        "INSERT INTO accounts (user_id, fallback_url) SELECT user_id, 'https://new.example/'"
        " FROM campaigns WHERE tracking_id = %s",
    ],
)
def test_a_change_by_anybody_acts_within_two_seconds(
    door: Door, connect: Connect, change: str
) -> None:
    session = connect()
    status = "draft" if change.startswith("INSERT") else "active"
    link = make.campaign(session, status=status)
    before = door.get(path(link))

    session.execute(change, (link["tracking_id"],))

    async def changed() -> bool:
        now = await ask(door.port, request("GET", path(link), {}))
        return now.headers.get("location") != before.headers.get("location")

    door.until(changed, 2)


def test_a_link_that_was_unknown_works_within_two_seconds(door: Door, connect: Connect) -> None:
    assert door.get("/r/coming").status == 404

    link = make.campaign(connect(), tracking_id="coming")

    async def known() -> bool:
        return (await ask(door.port, request("GET", path(link), {}))).status == 302

    door.until(known, 2)


def test_only_clicks_go_into_the_stream_of_clicks(door: Door, connect: Connect) -> None:
    link = make.campaign(connect())

    door.get(path(link))

    assert (len(putting.items()), putting.items(Kind.CONVERSIONS)) == (1, [])
