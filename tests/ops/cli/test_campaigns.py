"""`hopfleet campaigns` and `hopfleet links`: what scripts rely on, what people are told."""

import pytest

from db import campaigns, links
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


def test_an_added_campaign_is_active_and_printed_for_scripts(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run(
        *("campaigns", "add", "--user", user["email"], "--name", "N"),
        *("--link", "https://example.com/?c={click_id}", "--json"),
    )

    [row] = campaigns.page(connect(), 2)
    base = "http://127.0.0.1:8000"
    assert said.json == {
        "id": str(row.id),
        "tracking_id": row.tracking_id,
        "redirect_url": f"{base}/r/{row.tracking_id}",
        "pixel_url": f"{base}/p/{row.tracking_id}.gif",
        "script_url": f"{base}/t/{row.tracking_id}.js",
        "beacon_url": f"{base}/e/{row.tracking_id}",
    }
    assert (row.status, row.user_id) == ("active", user["id"])


def test_a_draft_with_settings_and_an_own_tracking_id(run: Run, connect: Connect) -> None:
    user = make.user(connect())

    said = run(
        *("campaigns", "add", "--user", str(user["id"]), "--name", "N", "--draft", "--json"),
        *("--link", "https://example.com/", "--tracking-id", "spring-sale", "--pass-through"),
        *("--fallback-url", "https://example.com/else", "--referrer-policy", "no-referrer"),
        *("--setting", "color=red", "--setting", "limit=12"),
    )

    row = campaigns.find(connect(), "spring-sale")
    assert said.code == 0
    assert row is not None
    assert row.status == "draft"
    assert row.settings == {
        "pass_through": True,
        "fallback_url": "https://example.com/else",
        "referrer_policy": "no-referrer",
        "color": "red",
        "limit": 12,
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--link", "javascript:alert(1)"), "must start with http"),
        (("--link", "https://{sub1}.example.com/"), "macro cannot stand in the host"),
        (("--link", "http://127.0.0.1:8000/r/x"), "round for ever"),
        (("--link", "https://e.com/", "--tracking-id", "a/b"), "--tracking-id must be"),
        (("--link", "https://e.com/", "--name", ""), "--name must have 1 to 255"),
        (("--link", "https://e.com/", "--referrer-policy", "none"), "is one of no-referrer"),
        (("--link", "https://e.com/", "--setting", "pass_through=maybe"), "does not fit"),
        (("--link", "https://e.com/", "--setting", "color"), "is no name=value"),
        (("--link", "https://e.com/", "--setting", "attribution_days=x"), "does not fit"),
        (("--link", "https://e.com/", "--fallback-url", "ftp://e.com"), "The fallback URL"),
        (("--link", "https://e.com/", "--user", "nobody@e.com"), "There is no user"),
    ],
)
def test_what_cannot_be_a_campaign_is_one_sentence(
    run: Run, connect: Connect, options: tuple[str, ...], says: str
) -> None:
    user = make.user(connect())

    said = run("campaigns", "add", "--user", user["email"], "--name", "N", *options)

    assert said.code == 2
    assert said.err.startswith("hopfleet: ")
    assert says in said.err
    assert campaigns.page(connect(), 1) == []


def test_a_taken_tracking_id_is_told(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect())
    user = make.user(connect())

    said = run(
        *("campaigns", "add", "--user", user["email"], "--name", "N"),
        *("--link", "https://example.com/", "--tracking-id", campaign["tracking_id"]),
    )

    assert said.code == 2
    assert "is taken" in said.err


def test_settings_are_merged_and_others_are_left_alone(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect(), settings={"theirs": [1], "pass_through": True})

    said = run(
        *("campaigns", "set", campaign["tracking_id"], "--no-pass-through", "--name", "New"),
        *("--setting", "respect_gpc=true", "--json"),
    )

    assert said.json["name"] == "New"
    assert said.json["settings"] == {"theirs": [1], "pass_through": False, "respect_gpc": True}
    removed = run("campaigns", "set", campaign["tracking_id"], "--setting", "theirs=", "--json")
    assert removed.json["settings"] == {"pass_through": False, "respect_gpc": True}


def test_the_days_a_click_counts_are_set_and_taken_back(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect())

    said = run("campaigns", "set", campaign["tracking_id"], "--attribution-days", "30", "--json")
    back = run("campaigns", "set", campaign["tracking_id"], "--attribution-days", "0", "--json")

    assert said.json["settings"] == {"attribution_days": 30}
    assert back.json["settings"] == {}
    assert run("campaigns", "set", campaign["tracking_id"], "--attribution-days", "-1").code == 2


def test_a_campaign_is_paused_and_resumed(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect())

    paused = run("campaigns", "pause", campaign["tracking_id"], "--json")
    resumed = run("campaigns", "resume", str(campaign["id"]), "--json")

    assert (paused.json["status"], resumed.json["status"]) == ("paused", "active")
    assert run("campaigns", "pause", "unknown").code == 2


def test_campaigns_are_listed_by_user_and_status(run: Run, connect: Connect) -> None:
    mine = make.campaign(connect())
    make.campaign(connect(), user_id=mine["user_id"], status="paused")
    make.campaign(connect())

    said = run("campaigns", "list", "--user", str(mine["user_id"]), "--status", "active", "--json")

    assert [item["id"] for item in said.json["items"]] == [str(mine["id"])]
    assert mine["tracking_id"] in run("campaigns", "list").out
    assert run("campaigns", "list", "--after", "yesterday").code == 2


def test_a_campaign_is_shown_with_its_addresses(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect())

    shown = run("campaigns", "show", campaign["tracking_id"], "--json").json

    assert shown["affiliate_link"] == "https://example.com/"
    assert shown["redirect_url"].endswith(f"/r/{campaign['tracking_id']}")
    assert shown["created_at"].endswith("Z")


def test_a_deleted_campaign_leaves_its_neighbours(run: Run, connect: Connect) -> None:
    session = connect()
    gone = make.campaign(session)
    stays = make.campaign(session, user_id=gone["user_id"])
    for one in (gone, gone, stays):
        make.event(session, one["user_id"], campaign_id=one["id"])

    said = run("campaigns", "delete", gone["tracking_id"], "--yes", "--json")

    assert said.json == {"deleted": [{"id": str(gone["id"]), "events": 2}]}
    assert links.find(session, [gone["tracking_id"]]) == []
    assert session.execute("SELECT count(*) FROM analytics_events").fetchone() == (1,)
    assert [row.id for row in campaigns.page(session, 10)] == [stays["id"]]


def test_links_are_ready_to_be_pasted(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect(), status="paused")

    for_people = run("links", campaign["tracking_id"])
    for_scripts = run("links", campaign["tracking_id"], "--json").json

    for part in ("redirect_url", "pixel_html", "script_html", "beacon_url", "curl"):
        assert for_scripts[part] in for_people.out
    assert "navigator.sendBeacon" in for_people.out
    assert "is paused" in for_people.err
    assert run("links", "unknown").code == 2
