"""What the doors say about themselves: alive, ready, and how to use them."""

import re

import orjson
import pytest

from ops.local.servers import Server
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door


def without_journal(open_door: OpenDoor, connect: Connect, journal: Server) -> Door:
    """A door that has just noticed that its journal is gone."""
    door = open_door()
    link = make.campaign(connect())
    journal.kill()
    assert door.get(f"/r/{link['tracking_id']}").headers["x-click-id"]
    return door


def test_a_door_with_its_stores_is_alive_and_ready(door: Door) -> None:
    healthy, ready = door.get("/healthz"), door.get("/readyz")

    assert (healthy.status, orjson.loads(healthy.body)) == (200, {"status": "ok"})
    said = orjson.loads(ready.body)
    assert (ready.status, said["status"], said["missing"]) == (200, "ready", {})
    assert abs(said["clock_offset_seconds"]) < 5
    assert (said["spool_bytes"], said["warnings"]) == (0, [])


def test_a_door_without_its_journal_is_alive_and_says_what_is_missing(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = without_journal(open_door, connect, own_journal)

    assert door.get("/healthz").status == 200
    ready = door.get("/readyz")
    said = orjson.loads(ready.body)
    assert (ready.status, said["status"]) == (503, "missing journal")
    assert said["missing"] == {"journal": "events go to the spool"}


def test_what_is_said_in_public_holds_no_address_of_a_store(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = without_journal(open_door, connect, own_journal)

    for page in ("/readyz", "/healthz", "/openapi.json"):
        body = door.get(page).body.decode()
        assert str(own_journal.port) not in body
        assert "redis://" not in body


def test_the_description_names_every_door(door: Door) -> None:
    answer = door.get("/openapi.json")

    said = orjson.loads(answer.body)
    assert answer.status == 200
    assert said["openapi"].startswith("3.1")
    assert said["servers"] == [{"url": door.settings.url}]
    assert set(said["paths"]) == {
        "/r/{tracking_id}", "/p/{tracking_id}.gif", "/t/{tracking_id}.js", "/e/{tracking_id}",
        "/v1/events", "/healthz", "/readyz", "/postback/{key}",
        "/webhooks/clickbank/{key}", "/webhooks/stripe", "/b/{token}", "/b/claim/{tracking_id}",
        "/hooks/{key}",
    }  # fmt: skip


def test_what_the_description_promises_is_what_a_door_answers(door: Door, connect: Connect) -> None:
    paths = orjson.loads(door.get("/openapi.json").body)["paths"]

    for path, methods in paths.items():
        for method, described in methods.items():
            answer = door.ask(method.upper(), re.sub("{.*?}", "nobody", path))
            assert str(answer.status) in described["responses"], (path, method)


@pytest.mark.parametrize("page", ["/healthz", "/readyz", "/openapi.json"])
def test_pages_take_no_notice_of_a_query(door: Door, page: str) -> None:
    assert door.get(page + "?a=b").status == 200
