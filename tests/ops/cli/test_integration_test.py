"""`hopfleet integrations test`: through a real door and a real worker, or why not."""

import threading
from collections.abc import Iterator

import orjson
import pytest

from base.sealing import seal
from base.settings import settings
from db import integrations
from journal.streams import Kind
from tests import make
from tests import notifications as told
from tests.conftest import Connect
from tests.ingest.conftest import OpenDoor, open_door  # noqa: F401 (a fixture)
from tests.ingest.door import Door
from tests.ops.cli.conftest import Run, Said
from workers import clickbank, drain  # noqa: F401 (takes notifications in)

SECRET = "QH7TRAILMAP20260"


@pytest.fixture
def door(
    journal_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    open_door: OpenDoor,  # noqa: F811
) -> Iterator[Door]:
    """A door that seals with the same key as this process, and that commands find."""
    monkeypatch.setenv("HOPFLEET_SECRET_KEY", "of-this-test")
    opened = open_door()
    monkeypatch.setenv("HOPFLEET_PUBLIC_URL", f"http://127.0.0.1:{opened.port}")
    settings.cache_clear()
    yield opened
    monkeypatch.undo()
    settings.cache_clear()


def _run_beside(door: Door, run: Run, *words: str) -> Said:
    """Run a command while the door answers and a worker drains."""
    said: list[Said] = []
    thread = threading.Thread(target=lambda: said.append(run(*words)))
    thread.start()

    def over() -> bool:
        drain.drain(Kind.WEBHOOKS)
        return not thread.is_alive()

    door.until(over, 20)
    thread.join()
    return said[0]


def test_a_sound_integration_passes_and_nothing_is_counted(
    door: Door, run: Run, connect: Connect
) -> None:
    session = connect()
    key, id_ = told.connect(session, make.user(session)["id"], SECRET)

    by_id = _run_beside(door, run, "integrations", "test", id_, "--json")
    by_key = _run_beside(door, run, "integrations", "test", key)

    assert by_id.code == 0
    said = orjson.loads(by_id.out.splitlines()[-1])  # behind what the worker logs
    assert said["passed"] is True
    assert (said["state"], said["outcome"]) == ("done", "test")
    assert by_key.code == 0
    assert "all is well" in by_key.out
    assert SECRET not in by_id.out + by_key.out
    assert key not in by_id.out
    assert session.execute("SELECT count(*) FROM analytics_events").fetchone() == (0,)


def test_a_door_with_another_secret_is_noticed(door: Door, run: Run, connect: Connect) -> None:
    """Whoever changed the secret where the command reads it, not where the worker does."""
    session = connect()
    key, id_ = told.connect(session, make.user(session)["id"], SECRET)
    other = seal(orjson.dumps({"key": key, "secret": ""}), settings())
    integrations.rotate(session, id_, key, other)

    said = _run_beside(door, run, "integrations", "test", id_)

    assert said.code == 1
    assert "undecryptable" in said.err


def test_what_cannot_be_tested_is_said(door: Door, run: Run, connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    other = make.integration(session, user, network="generic")
    _, disabled = told.connect(session, user, SECRET)
    integrations.disable(session, disabled)

    for which in (str(other["id"]), disabled, "0190aa00-0000-7000-8000-000000000000"):
        assert run("integrations", "test", which).code == 2


def test_without_a_door_it_says_what_to_start(
    door: Door, run: Run, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = connect()
    key, id_ = told.connect(session, make.user(session)["id"], SECRET)
    monkeypatch.setenv("HOPFLEET_PUBLIC_URL", "http://127.0.0.1:1")
    settings.cache_clear()

    said = run("integrations", "test", id_)

    assert said.code == 1
    assert "start the doors" in said.err
    assert key not in said.err
