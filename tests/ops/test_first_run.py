"""The two commands' promise: from an empty folder to a click in the table, and back again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ops.local.ports import free_port

_STATUS_BY_DOOR = {"/r/": "302", "/p/": "200", "/e/": "204", "/v1/": "202", "/readyz": "200"}

Start = Callable[[], "subprocess.Popen[str]"]

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    port = free_port()
    started: list[subprocess.Popen[str]] = []

    def begin() -> "subprocess.Popen[str]":
        argv = [sys.executable, "-m", "ops", "up", "--port", str(port)]
        env = {**os.environ, "HOPFLEET_DATA_DIR": str(folder)}
        up = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
        started.append(up)
        return up

    yield begin
    for up in started:
        stop(up)


def read_until(up: "subprocess.Popen[str]", word: str) -> list[str]:
    """What it prints, up to the line with `word`."""
    assert up.stdout
    said = []
    for line in up.stdout:
        said.append(line.rstrip())
        if word in line:
            return said
    raise AssertionError("\n".join(said))


def commands(said: list[str]) -> list[str]:
    """The `curl` lines that were printed, whole."""
    whole = "\n".join(said).replace("\\\n", " ")
    return [line.strip() for line in whole.splitlines() if line.strip().startswith("curl ")]


def events(folder: Path) -> dict[str, int]:
    """How many of each type are in the table."""
    address = json.loads((folder / "stores.json").read_text())["database_url"]
    with psycopg.connect(address) as session:
        rows = session.execute("SELECT event_type, count(*) FROM analytics_events GROUP BY 1")
        return {str(kind): int(str(count)) for kind, count in rows}


def stop(up: "subprocess.Popen[str]") -> None:
    """Press Ctrl-C and wait for the end; harmless after it."""
    up.send_signal(signal.SIGINT)
    up.wait()
    if up.stdout:
        up.stdout.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_what_up_prints_works_as_printed_and_the_next_start_is_quick(
    start: Start, folder: Path
) -> None:
    up = start()
    said = read_until(up, "Ctrl-C")

    shell = next(line for line in said if line.startswith("shell")).split('"')[1]
    assert (
        "HOPFLEET_DATABASE_URL"
        in subprocess.run(
            ["sh", "-c", shell[2:-1]], capture_output=True, text=True, check=True
        ).stdout
    )
    answers = [
        subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout
        for line in commands(said)
    ]

    codes = [answer.split(b" ", 2)[1].decode() for answer in answers]
    assert codes == list(_STATUS_BY_DOOR.values())
    until = time.monotonic() + 20
    while sum(events(folder).values()) < 4:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert events(folder) == {"click": 2, "conversion": 1, "view": 1}
    private = [folder / "demo-key", folder / "stores.json", folder / "secret_key"]
    assert all(path.stat().st_mode & 0o77 == 0 for path in private)

    # Ten seconds on a machine of our own; more when others compute on it, too.
    crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    began = time.monotonic()
    stop(up)
    stopped = time.monotonic()
    again = read_until(start(), "Ctrl-C")

    assert stopped - began < 10
    assert time.monotonic() - stopped < 10 * crowded
    assert commands(again) == commands(said)
    assert events(folder) == {"click": 2, "conversion": 1, "view": 1}


def test_env_prints_what_points_a_shell_at_the_stores(folder: Path) -> None:
    stores = {
        "database_url": "postgresql://a:it's@h/d",
        "journal_url": "redis://j",
        "redis_url": "redis://b",
        "url": "http://127.0.0.1:9000",
    }
    (folder / "stores.json").write_text(json.dumps(stores))
    env = {**os.environ, "HOPFLEET_DATA_DIR": str(folder)}
    shell = (
        f'eval "$({sys.executable} -m ops env)"; echo "$HOPFLEET_DATABASE_URL $HOPFLEET_PUBLIC_URL"'
    )

    seen = subprocess.run(["sh", "-c", shell], env=env, capture_output=True, text=True, check=True)

    assert seen.stdout.split() == [stores["database_url"], stores["url"]]
