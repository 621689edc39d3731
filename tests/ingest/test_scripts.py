"""`/t/{tracking_id}.js`: a view is recorded, and the script that marks links is served."""

from typing import Any
from urllib.parse import quote

import pytest

from ingest.script import MOST_BYTES
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.ingest.talking import Answer
from tests.journal import putting

HOSTILE = ['x"-alert(1)-"', "</script><script>alert(1)</script>", "'\\u2028//", "ünï\u2028cödé"]


@pytest.fixture
def link(door: Door, connect: Connect) -> dict[str, Any]:
    """A campaign that the door does not know yet."""
    return make.campaign(connect())


def path(link: dict[str, Any], query: str = "") -> str:
    return f"/t/{quote(link['tracking_id'], safe='')}.js{query}"


def is_script(answer: Answer) -> bool:
    return (
        answer.status == 200
        and answer.headers["content-type"] == "text/javascript; charset=utf-8"
        and answer.headers["cache-control"] == "no-store"
        and "set-cookie" not in answer.headers
        and len(answer.body) <= MOST_BYTES
    )


def is_empty(answer: Answer) -> bool:
    return is_script(answer) and answer.body == b"// Nothing to do.\n"


def test_a_script_is_a_view_and_carries_its_id(door: Door, link: dict[str, Any]) -> None:
    answer = door.get(path(link, "?source=mail&sub3=x"))

    (item,) = putting.items()
    assert is_script(answer)
    assert answer.headers["x-click-id"] == item["id"]
    assert f'"{item["id"]}"'.encode() in answer.body
    assert (item["type"], item["door"], item["source"]) == ("view", "t", "mail")
    assert item["meta"]["sub3"] == "x"


def test_two_visitors_get_two_ids(door: Door, link: dict[str, Any]) -> None:
    first, second = door.get(path(link)), door.get(path(link))

    assert first.headers["x-click-id"] != second.headers["x-click-id"]


@pytest.mark.parametrize("status", ["paused", "completed", "draft"])
def test_a_resting_campaigns_script_is_empty_and_counted(
    door: Door, connect: Connect, status: str
) -> None:
    answer = door.get(path(make.campaign(connect(), status=status)))

    assert is_empty(answer)
    assert "x-click-id" not in answer.headers
    assert door.doors.counts["script_unrecorded"] == 1
    assert putting.items() == []


@pytest.mark.parametrize("name", ["nobody", "", "a/b", "%00", "x" * 60, *map(quote, HOSTILE)])
def test_an_unknown_campaigns_script_is_empty(door: Door, name: str) -> None:
    answer = door.get(f"/t/{name}.js")

    assert is_empty(answer)
    assert putting.items() == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_tracking_id_gets_into_the_script(door: Door, connect: Connect, name: str) -> None:
    link, plain = make.campaign(connect(), tracking_id=name), make.campaign(connect())
    hostile, usual = door.get(path(link, "?sub1=</script>")), door.get(path(plain))

    assert hostile.body.replace(
        hostile.headers["x-click-id"].encode(), usual.headers["x-click-id"].encode()
    ) == usual.body  # fmt: skip
    assert b"</" not in hostile.body


@pytest.mark.parametrize(
    "url", ["https://" + "h" * 250 + ":65535/x", "https://" + "h" * 4000, 'https://"</script>"']
)
def test_any_address_of_ours_leaves_the_script_whole(
    journal: str, open_door: OpenDoor, connect: Connect, url: str
) -> None:
    door = open_door(public_url=url)

    answer = door.get(path(make.campaign(connect())))

    assert is_script(answer)
    assert answer.headers["x-click-id"]
    assert b"</script" not in answer.body


def test_asking_for_the_head_records_nothing(door: Door, link: dict[str, Any]) -> None:
    answer = door.ask("HEAD", path(link))

    assert answer.status == 200
    assert "x-click-id" not in answer.headers
    assert putting.items() == []


def test_a_name_without_its_ending_is_no_script(door: Door, link: dict[str, Any]) -> None:
    assert door.get(f"/t/{link['tracking_id']}").status == 404
    assert door.ask("POST", path(link)).headers["allow"] == "GET, HEAD"
    assert putting.items() == []


def test_a_prefetched_script_is_a_bots(door: Door, link: dict[str, Any]) -> None:
    door.get(path(link), sec_purpose="prefetch")

    assert putting.items()[0]["meta"]["bot"] == "prefetch"


def test_of_who_wants_no_tracking_only_the_view_is_kept(
    journal: str, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door(respect_gpc=True)

    answer = door.get(path(make.campaign(connect())), sec_gpc="1", user_agent="Firefox")

    assert is_script(answer)
    assert putting.items()[0]["meta"].keys() == {"received_at"}


def test_a_marked_links_click_names_the_view(door: Door, link: dict[str, Any]) -> None:
    view = door.get(path(link)).headers["x-click-id"]

    click = door.get(f"/r/{link['tracking_id']}?click_id={view}")

    item = putting.items()[-1]
    assert (item["type"], item["meta"]["view_id"]) == ("click", view)
    assert click.headers["x-click-id"] == item["id"] != view
    assert "click" not in item


@pytest.mark.parametrize(
    "said", ["", "1", "x" * 32, "0190F0C4A2B17C3D8E5F60718293A4B5", "</script>"]
)
def test_what_is_no_id_names_no_view(door: Door, link: dict[str, Any], said: str) -> None:
    door.get(f"/r/{link['tracking_id']}?click_id={quote(said)}")

    assert "view_id" not in putting.items()[0]["meta"]
