"""The recorder: one append at a time, the spool when the journal stalls, and an honest answer."""

import asyncio
import signal
from typing import Any

import orjson
import pytest

from base.clock import steady
from base.settings import settings
from db import keys as db_keys
from journal.spool import Damage, read, segments
from journal.streams import Kind
from ops.local.servers import Server, start_journal
from tests import make
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor
from tests.ingest.door import Door
from tests.ingest.talking import Answer, ask, request
from tests.journal import putting


def known(door: Door, connect: Connect) -> str:
    """The path of a link that the door has by heart."""
    link = make.campaign(connect())
    path = f"/r/{link['tracking_id']}"
    assert door.ask("HEAD", path).status == 302
    return path


def many(door: Door, path: str, count: int) -> list[Answer]:
    async def go() -> list[Answer]:
        data = request("GET", path, {})
        return await asyncio.gather(*[ask(door.port, data) for _ in range(count)])

    return door.wait(go())


def spooled(door: Door) -> list[str]:
    """Click ids in all spools of the door's folder, open segments included."""
    found = []
    for folder in door.settings.spool_root.iterdir():
        for segment in segments(folder):
            for batch in read(segment, Damage()):
                found += [item["id"] for item in orjson.loads(batch.body)]
    return found


def ids(answers: list[Answer]) -> list[str]:
    assert {answer.status for answer in answers} == {302}
    return [answer.headers["x-click-id"] for answer in answers]


def test_what_comes_while_an_append_is_under_way_is_one_batch(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door(journal_budget_seconds=30)
    path = known(door, connect)
    own_journal.process.send_signal(signal.SIGSTOP)

    async def go() -> list[Answer]:
        data = request("GET", path, {})
        first = asyncio.create_task(ask(door.port, data))
        recorder: Any = door.base.recorder
        while recorder._waiting < 1:
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(ask(door.port, data)) for _ in range(40)]
        while recorder._waiting < 41:
            await asyncio.sleep(0.001)
        own_journal.process.send_signal(signal.SIGCONT)
        return [await first, *await asyncio.gather(*rest)]

    answers = door.wait(go())

    assert [count for _, count in putting.batches()] == [1, 40]
    assert sorted(ids(answers)) == sorted(item["id"] for item in putting.items())


def test_a_journal_that_stalls_costs_its_budget_and_no_click(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door()
    path = known(door, connect)
    own_journal.process.send_signal(signal.SIGSTOP)

    began = steady()
    first = many(door, path, 1)
    took = steady() - began
    began = steady()
    rest = many(door, path, 20)
    then = steady() - began
    kept = spooled(door)
    own_journal.process.send_signal(signal.SIGCONT)

    assert 0.2 < took < 1.5
    assert then < 1
    assert set(kept) == set(ids(first + rest))


def test_the_spool_is_replayed_with_the_ids_it_was_given(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door()
    path = known(door, connect)
    own_journal.kill()
    acked = ids(many(door, path, 30))
    assert set(spooled(door)) == set(acked)
    back = start_journal(own_journal.folder)

    door.until(lambda: door.base.recorder.spool_bytes == 0)

    assert sorted(item["id"] for item in putting.items()) == sorted(acked)
    assert ids(many(door, path, 1))[0] in [item["id"] for item in putting.items()]
    assert orjson.loads(door.get("/readyz").body)["missing"] == {}
    back.stop()


def test_a_dead_doors_spool_is_adopted_with_its_ids(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    dead = open_door()
    path = known(dead, connect)
    own_journal.kill()
    acked = ids(many(dead, path, 10))
    dead.stop()
    batches = [
        batch.id
        for folder in dead.settings.spool_root.iterdir()
        for segment in segments(folder)
        for batch in read(segment, Damage())
    ]
    back = start_journal(own_journal.folder)

    heir = open_door()
    heir.until(lambda: not list(heir.settings.spool_root.glob("*/*.seg")))

    assert sorted(item["id"] for item in putting.items()) == sorted(acked)
    assert [one for one, _ in putting.batches()] == batches
    assert len([each for each in heir.settings.spool_root.iterdir() if each.is_dir()]) == 1
    back.stop()


@pytest.fixture
def full(own_journal: Server, open_door: OpenDoor) -> Door:
    """A door whose journal is gone and whose spool has no room."""
    door = open_door(spool_max_bytes=10)
    own_journal.kill()
    return door


def test_with_a_full_spool_visitors_still_go_on_unrecorded(full: Door, connect: Connect) -> None:
    path = known(full, connect)

    answer = full.get(path)
    picture = full.get(path.replace("/r/", "/p/") + ".gif")

    assert (answer.status, picture.status) == (302, 200)
    assert "x-click-id" not in answer.headers | picture.headers
    assert picture.body.startswith(b"GIF89a")
    assert full.base.recorder.dropped["spool_full"] == 2


def test_with_a_full_spool_doors_that_may_refuse_say_503(full: Door, connect: Connect) -> None:
    session = connect()
    link = make.campaign(session)
    _, key = db_keys.add(session, link["user_id"], "k")
    event = orjson.dumps({"type": "click", "tracking_id": link["tracking_id"]})

    posted = full.post("/v1/events", event, x_api_key=key)
    beacon = full.post(f"/e/{link['tracking_id']}", b"{}")

    assert (posted.status, beacon.status) == (503, 503)
    assert "event_id" in orjson.loads(posted.body)["error"]
    assert "x-click-id" not in posted.headers | beacon.headers
    ready = orjson.loads(full.get("/readyz").body)
    assert ready["missing"]["journal"] == "the spool is full too"


def test_a_volatile_journal_gets_nothing(
    open_door: OpenDoor, connect: Connect, redis_url: str, tmp_path: Any
) -> None:
    door = open_door(journal_url=redis_url)
    path = known(door, connect)

    (click,) = ids(many(door, path, 1))

    assert spooled(door) == [click]
    assert "may not hold events" in str(door.base.recorder.trouble)


def test_a_volatile_journal_is_used_when_that_was_allowed(
    open_door: OpenDoor, connect: Connect, redis_url: str
) -> None:
    door = open_door(journal_url=redis_url, allow_volatile_redis=True)

    many(door, known(door, connect), 1)

    assert door.base.recorder.journal_up
    assert spooled(door) == []


def test_a_stop_answers_every_click_that_was_taken(
    own_journal: Server, open_door: OpenDoor, connect: Connect
) -> None:
    door = open_door(journal_budget_seconds=30)
    path = known(door, connect)
    own_journal.process.send_signal(signal.SIGSTOP)

    async def go() -> Answer:
        owed = asyncio.create_task(ask(door.port, request("GET", path, {})))
        recorder: Any = door.base.recorder
        while recorder._waiting < 1:
            await asyncio.sleep(0.001)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        own_journal.process.send_signal(signal.SIGCONT)
        return await owed

    answer = door.wait(go())
    door.end()

    assert ids([answer]) == [item["id"] for item in putting.items()]
    assert list(door.settings.spool_root.iterdir()) == []


def test_a_door_that_cannot_record_any_more_ends_instead_of_hanging(door: Door) -> None:
    """A bug of ours in one item: whoever supervises starts a sound process."""

    class Unpackable:
        pass

    async def spoil() -> None:
        item: Any = {"meta": Unpackable()}
        waiter: Any = (asyncio.get_running_loop(), b"", b"")
        door.base.recorder.record(Kind.CLICKS, item, waiter)

    door.wait(spoil())

    with pytest.raises(TypeError):
        door.end()
    assert settings().data_dir != door.settings.data_dir
