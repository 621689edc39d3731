"""What `up` promises, shown with real processes and a small fleet in place of ours."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from ops.local.ports import free_port


class Up:
    """A running supervisor in a process of its own, and what it has printed."""

    def __init__(self, folder: Path, port: int, worker: str) -> None:
        self.folder, self.port = folder, port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ops.stand_in", str(folder), str(port), worker],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []

    def until(self, *words: str) -> str:
        """Read on until a line holds all `words`; fails with everything said when it ends."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if all(word in line for word in words):
                return line
        raise AssertionError("\n".join(self.said))

    def children(self) -> dict[str, Any]:
        recorded = json.loads((self.folder / "children.json").read_text())
        return {each["name"]: each for each in recorded}

    def stop(self, number: int = signal.SIGINT) -> float:
        """Send a signal; returns how many seconds the end took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate()
        return time.monotonic() - began


Start = Callable[..., Up]

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    started: list[Up] = []

    def begin(port: int | None = None, worker: str = "obedient") -> Up:
        up = Up(folder, port or free_port(), worker)
        started.append(up)
        return up

    yield begin
    for up in started:
        if up.process.poll() is None:
            up.stop()
        elif up.process.stdout:
            up.process.stdout.close()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(fact: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_ctrl_c_ends_everything_in_time_and_the_data_stays(start: Start, folder: Path) -> None:
    up = start(worker="stubborn")
    up.until('"url"')
    stores = json.loads((folder / "stores.json").read_text())
    with psycopg.connect(stores["database_url"]) as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS n")
    pids = [child["pid"] for child in up.children().values()]

    seconds = up.stop()

    assert seconds < 10  # though the worker ignores being told
    assert up.process.returncode == 0
    assert all(is_gone(pid) for pid in pids)
    assert not (folder / "stores.json").exists()
    assert (folder / "door-left").exists()
    again = start()
    again.until('"url"')
    stores = json.loads((folder / "stores.json").read_text())
    with psycopg.connect(stores["database_url"]) as session:
        assert session.execute("SELECT n FROM kept").fetchone() == (1,)


def test_the_stores_addresses_are_private_and_reach_the_children(
    start: Start, folder: Path
) -> None:
    up = start()
    up.until('"url"')
    wait_for((folder / "worker-knows").exists)

    stores = json.loads((folder / "stores.json").read_text())

    assert (folder / "stores.json").stat().st_mode & 0o777 == 0o600
    assert (folder / "worker-knows").read_text() == stores["journal_url"]
    assert stores["journal_url"] != stores["redis_url"]


def test_a_second_up_on_the_same_folder_says_so(start: Start) -> None:
    first = start()
    first.until('"url"')

    second = start()

    second.until("already runs on", str(first.process.pid))
    assert second.process.wait() == 1
    assert first.process.poll() is None


def test_a_taken_port_is_said_before_anything_starts(start: Start, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        up = start(port)

        up.until(f"Port {port} is taken", "--port")
        assert up.process.wait() == 1
    assert not (folder / "postgres").exists()


def test_children_of_a_killed_up_serve_on_and_the_next_up_ends_them(
    start: Start, folder: Path
) -> None:
    first = start()
    first.until('"url"')
    first.process.kill()
    first.process.wait()
    left = first.children()
    assert not any(is_gone(child["pid"]) for child in left.values() if child["name"] != "migrate")

    second = start(first.port)

    second.until("processes of an earlier start")
    second.until('"url"')
    assert all(is_gone(child["pid"]) for child in left.values())


def test_a_stranger_with_a_childs_old_number_is_left_alone(start: Start, folder: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        first = start()
        first.until('"url"')
        first.process.kill()
        first.process.wait()
        children = list(first.children().values())
        forged = {**children[0], "pid": stranger.pid, "name": "forged"}
        (folder / "children.json").write_text(json.dumps([*children, forged]))

        start().until('"url"')

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_dead_child_is_said_and_started_again(start: Start, folder: Path) -> None:
    up = start()
    up.until('"url"')
    addresses = (folder / "stores.json").read_text()
    for name in ("ingest", "postgres", "journal", "broker"):
        pid = up.children()[name]["pid"]

        os.kill(pid, signal.SIGKILL)

        up.until(name, "ended", "SIGKILL")
        up.until(name, "runs again")
        assert up.children()[name]["pid"] != pid
    assert (folder / "stores.json").read_text() == addresses


def test_a_childs_warning_is_shown_and_kept_in_its_log(start: Start, folder: Path) -> None:
    up = start()

    up.until("worker:", "worker.began", "reason=test")

    assert "worker.began" in (folder / "logs" / "worker.log").read_text()


def test_a_stop_while_starting_leaves_nothing_behind(start: Start, folder: Path) -> None:
    up = start()
    up.until("Starting")

    up.stop(signal.SIGTERM)

    left = [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if str(folder) in str(process.info["cwd"])
        or str(folder) in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []
