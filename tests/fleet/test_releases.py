"""A rolling deploy: the release before and this one work on the same journal and tables."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ops.local.ports import free_port
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.reading import ROOT

BEFORE = "004b034"  # release 0.1.0

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The release before, checked out beside this one."""
    place = tmp_path_factory.mktemp("before") / "tree"
    made = subprocess.run(
        ["git", "worktree", "add", "-q", "--detach", str(place), BEFORE], cwd=ROOT
    )
    if made.returncode:
        pytest.skip(f"this checkout does not hold {BEFORE}")
    yield place
    subprocess.run(["git", "worktree", "remove", "--force", str(place)], cwd=ROOT, check=True)


@contextmanager
def running(before: Path, fleet: Fleet, *words: str, **more: str) -> Iterator[None]:
    """A program of the release before, in the fleet's environment."""
    log = fleet.folder / f"before-{words[0]}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", *words], cwd=before, stdout=out, stderr=out,
            env={**fleet._environment("before"), **more}, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: b".started" in log.read_bytes(), 30, "the release before starts")
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(15)


def test_workers_before_store_what_doors_of_this_release_take(fleet: Fleet, before: Path) -> None:
    campaign = fleet.campaign()
    fleet.programs["worker"].terminate()

    with running(before, fleet, "worker", "clicks", "conversions"):
        acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]
        wanted = sorted(map(str, acked))
        until(lambda: sorted(fleet.stored(campaign["user_id"])) == wanted, 10, "all are rows")

    assert fleet.dead(campaign["user_id"]) == []
    fleet.start("worker")


def test_workers_of_this_release_store_what_doors_before_take(fleet: Fleet, before: Path) -> None:
    campaign = fleet.campaign()
    port = free_port()
    acked = []

    with running(
        before, fleet, "ingest", HOPFLEET_PORT=str(port),
        HOPFLEET_DATA_DIR=str(fleet.folder / "before"),
    ):  # fmt: skip
        for _ in range(20):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", f"/r/{campaign['tracking_id']}")
            acked.append(connection.getresponse().getheader("X-Click-Id"))
            connection.close()

    wanted = sorted(map(str, acked))
    until(lambda: sorted(fleet.stored(campaign["user_id"])) == wanted, 10, "all are rows")
    assert None not in acked
    assert fleet.dead(campaign["user_id"]) == []
