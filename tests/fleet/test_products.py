"""Syncs of the catalogue while parts die: all of a feed or nothing of it, and all in the end."""

import random
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from base.clock import sleep
from tests.feed_server import silent
from tests.fleet import automation, cataloguing
from tests.fleet.cataloguing import COUNT, STAGES, catalogue
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.web import say, web

pytestmark = pytest.mark.timeout(120)


_SHORT = (("command", "merge"), ("postgres", "merge"))
_CASES = [
    pytest.param(*case, marks=() if case in _SHORT else pytest.mark.long)
    for case in product(("command", "worker", "postgres"), STAGES)
]


@pytest.mark.parametrize(("victim", "stage"), _CASES)
def test_whoever_is_killed_leaves_all_or_nothing_and_the_worker_goes_on(
    fleet: Fleet, tmp_path: Path, victim: str, stage: str
) -> None:
    """A crash of PostgreSQL empties the staging tables, too, which are unlogged."""
    gravity, new = cataloguing.begin(fleet, tmp_path)
    before = cataloguing.newest(fleet)
    with cataloguing.held(fleet, stage) as hold:
        if victim == "command":
            program = cataloguing.command(fleet, "--file", str(new))
        else:
            cataloguing.ask(fleet, new)
        sync = hold.until_there(before)

        if victim == "command":
            program.kill()
        else:
            fleet.restart("upkeep" if victim == "worker" else victim)
    fleet.until_ready()

    assert catalogue(fleet) == {gravity + (stage == "after the end"): COUNT}
    cataloguing.forsaken(fleet)
    cataloguing.until_applied(fleet, sync)
    assert catalogue(fleet) == {gravity + 1: COUNT}


def test_a_fetch_that_is_killed_changes_nothing_and_begins_anew(
    fleet: Fleet, tmp_path: Path
) -> None:
    gravity, new = cataloguing.begin(fleet, tmp_path)
    data = new.read_bytes()
    with web() as server:
        server.answer = silent(data, len(data) // 2)
        program = cataloguing.command(fleet, "--url", f"{server.url}/feed.xml")
        parts = fleet.folder / "data" / "feeds"
        until(lambda: list(parts.glob("*.part")), 30, "the feed is fetched")
        program.kill()
        between = catalogue(fleet)
        server.answer = say(200, data)
        cataloguing.forsaken(fleet)
        cataloguing.until_applied(fleet, cataloguing.newest(fleet))

    assert between == {gravity: COUNT}
    assert catalogue(fleet) == {gravity + 1: COUNT}


def test_one_sync_at_a_time_and_a_paused_queue_stops_it_between_chunks(
    fleet: Fleet, tmp_path: Path
) -> None:
    gravity, new = cataloguing.begin(fleet, tmp_path)
    before = cataloguing.newest(fleet)
    with cataloguing.held(fleet, "apply") as hold:
        sync = cataloguing.ask(fleet, new)
        hold.until_there(before)
        second = fleet.python("-m", "ops", "products", "sync", "--file", str(new))
        fleet.hopfleet("queues", "pause", "products")
    try:
        until(lambda: cataloguing.state(fleet, sync)[0] == "pending", 30, "the sync stops")
        paused = catalogue(fleet)
    finally:
        fleet.hopfleet("queues", "resume", "products")
    cataloguing.until_applied(fleet, sync)

    assert second.returncode == 1
    assert f"Sync {sync} has been running since" in second.stderr
    assert paused == {gravity: COUNT}
    assert catalogue(fleet) == {gravity + 1: COUNT}
    assert cataloguing.newest(fleet) == sync  # who was turned away has left nothing


@pytest.mark.long
def test_two_commands_at_once_are_one_sync(fleet: Fleet, tmp_path: Path) -> None:
    gravity, new = cataloguing.begin(fleet, tmp_path)
    with cataloguing.held(fleet, "apply") as hold:
        before = cataloguing.newest(fleet)
        first = cataloguing.command(fleet, "--file", str(new))
        hold.until_there(before)
        second = fleet.python("-m", "ops", "products", "sync", "--file", str(new), "--force")
        hold.release()
        code = first.wait(60)

    assert (code, second.returncode) == (0, 1)
    assert "has been running since" in second.stderr
    assert catalogue(fleet) == {gravity + 1: COUNT}


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Path]:
    """A folder with a megabyte of room; skips where one cannot mount it."""
    folder = tmp_path / "crowded"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def test_a_disk_that_is_full_while_fetching_changes_nothing(
    fleet: Fleet, tmp_path: Path, crowded: Path
) -> None:
    gravity, new = cataloguing.begin(fleet, tmp_path)
    with web() as server:
        server.answer = say(200, new.read_bytes())
        program = cataloguing.command(
            fleet, "--url", f"{server.url}/feed.xml", data_dir=str(crowded)
        )
        code = program.wait(60)

    assert code == 1
    assert "The feed cannot be written: No space left on device." in program.said(0)
    assert catalogue(fleet) == {gravity: COUNT}
    assert list(crowded.glob("feeds/*")) == []


def test_a_product_that_rises_is_told_once_though_the_worker_is_killed(
    fleet: Fleet, tmp_path: Path
) -> None:
    """What a sync tells workflows is written with what it changes."""
    gravity, new = cataloguing.begin(fleet, tmp_path)
    ((rising,),) = fleet.sql("SELECT id FROM products WHERE clickbank_id = 'p7'")
    campaign = fleet.campaign(product_id=rising)
    flow = automation.workflow(
        fleet, {"id": campaign["user_id"]},
        [
            {"set_campaign_status": {"campaign": "{{ campaign.id }}", "status": "paused"}},
            automation.note("{{ event.clickbank_id }} {{ event.before.gravity }}"),
        ],
        trigger_type="event",
        trigger_config=Jsonb({"event": "gravity_crossed", "above": gravity + 1}),
    )  # fmt: skip
    until(
        lambda: fleet.sql(
            "SELECT 1 FROM workflow_states WHERE workflow_id = %s AND listens IS NOT NULL", flow
        ),
        automation.PLANNED_SECONDS, "the workflow listens",
    )  # fmt: skip

    before = cataloguing.newest(fleet)
    with cataloguing.held(fleet, "before the end") as hold:
        sync = cataloguing.ask(fleet, new)
        hold.until_there(before)
        fleet.restart("upkeep")
    early = fleet.sql("SELECT 1 FROM workflow_events WHERE workflow_id = %s", flow)
    cataloguing.forsaken(fleet)
    cataloguing.until_applied(fleet, sync)

    assert early == []
    until(lambda: automation.notes(fleet, flow), 30, "the workflow has run")
    assert automation.notes(fleet, flow) == [f"p7 {gravity}.00"]
    assert fleet.sql("SELECT status FROM campaigns WHERE id = %s", campaign["id"]) == [("paused",)]
    assert len(automation.runs(fleet, flow)) == 1
    fleet.sql("DELETE FROM workflows WHERE id = %s", flow)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_kills_at_any_moment_leave_all_or_nothing(fleet: Fleet, tmp_path: Path) -> None:
    dice = random.Random(6)
    for _ in range(60):
        gravity, new = cataloguing.begin(fleet, tmp_path)
        before = cataloguing.newest(fleet)
        victim = dice.choice(("command", "upkeep", "postgres"))
        program = None
        if victim == "upkeep":
            cataloguing.ask(fleet, new)
        else:
            program = cataloguing.command(fleet, "--file", str(new))
        until(lambda: cataloguing.newest(fleet) > before, 30, "a sync was asked for")  # noqa: B023
        sync = cataloguing.newest(fleet)
        sleep(dice.uniform(0, 2.5))
        if program is not None and victim == "command" and program.running():
            program.kill()
        elif victim != "command":
            fleet.restart(victim)
        until(lambda: _reached(fleet), 30, "PostgreSQL is back")
        if program is not None and program.running():
            program.wait(60)

        assert catalogue(fleet) in ({gravity: COUNT}, {gravity + 1: COUNT})
        cataloguing.forsaken(fleet)
        if cataloguing.state(fleet, sync)[0] == "dead":  # it could still say that it has failed
            fleet.hopfleet("dead", "replay", f"sync:{sync}")
        cataloguing.until_applied(fleet, sync)
        assert catalogue(fleet) == {gravity + 1: COUNT}


def _reached(fleet: Fleet) -> bool:
    try:
        return bool(fleet.sql("SELECT 1"))
    except psycopg.OperationalError:
        return False
