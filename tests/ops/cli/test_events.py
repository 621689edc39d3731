"""`hopfleet events tail`: what was stored last, and what comes."""

import subprocess
import sys
from uuid import uuid4

import orjson
import psycopg

from base.clock import now
from db.events import EventRow
from ops.cli import tailing
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


def test_the_newest_events_come_in_the_order_they_were_stored(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect())
    for number in range(4):
        make.event(
            connect(), campaign["user_id"], campaign_id=campaign["id"], source=f"s{number}",
            metadata={"country": "DE", "device": "mobile"},
        )  # fmt: skip

    said = run("events", "tail", "-n", "2")

    lines = said.out.splitlines()
    assert ["s2" in lines[0], "s3" in lines[1], len(lines)] == [True, True, 2]
    assert campaign["tracking_id"] in lines[0]
    assert "DE mobile" in lines[0]


def test_events_are_filtered_and_printed_for_scripts(run: Run, connect: Connect) -> None:
    campaign = make.campaign(connect())
    user = str(campaign["user_id"])
    noon = now().replace(hour=12, minute=0, second=0, microsecond=0)
    make.event(connect(), campaign["user_id"])
    made = make.event(
        connect(), campaign["user_id"], campaign_id=campaign["id"], event_type="conversion",
        revenue="12.50", created_at=noon,
    )  # fmt: skip

    filters = (
        ("--campaign", campaign["tracking_id"]),
        ("--user", user, "--type", "conversion"),
    )
    for chosen in filters:
        [line] = run("events", "tail", "--json", *chosen).out.splitlines()
        assert orjson.loads(line) == {
            "id": str(made["id"]), "user_id": user, "campaign_id": str(campaign["id"]),
            "event_type": "conversion", "source": None, "metadata": None, "revenue": "12.50",
            "created_at": f"{noon:%Y-%m-%d}T12:00:00Z",
        }  # fmt: skip
    assert run("events", "tail", "--type", "sale").code == 2
    assert run("events", "tail", "--user", "nobody@example.com").code == 2


def test_following_shows_what_commits_late_too(connect: Connect, database: str) -> None:
    user = make.user(connect())["id"]
    rows, newest = tailing.newest(tailing.Filter(), 5)
    followed = tailing.follow(tailing.Filter(), rows, newest)
    with psycopg.connect(database) as slow:
        late = make.event(slow, user, source="late")
        early = make.event(connect(), user, source="early")
        assert next(followed).id == early["id"]
        slow.commit()

    assert next(followed).id == late["id"]


def test_tail_follow_prints_an_event_when_it_is_stored(connect: Connect) -> None:
    user = make.user(connect())["id"]
    make.event(connect(), user, source="before")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ops", "events", "tail", "--follow", "--json"],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        first = orjson.loads(process.stdout.readline())
        make.event(connect(), user, source="after")
        second = orjson.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()

    assert [first["source"], second["source"]] == ["before", "after"]


def test_strangers_text_cannot_move_the_cursor() -> None:
    row = EventRow(
        1, uuid4(), None, "click",
        "\x1b[2Jevil\n", {"country": "\x1b[31m"}, None, now(),
    )  # fmt: skip

    shown = tailing.line(row, tailing.Names())

    assert "\x1b" not in shown
    assert "\n" not in shown
