"""`hopfleet events import`: an access log becomes clicks, each line once."""

import gzip
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from base.ids import is_click_id, time_of
from ops.cli.access_logs import Repeats, click_id
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Safari/537.36"
)
PAGE = "https://blog.example/page?q=1"


def line(path: str, *, when: str = "03/Mar/2024:12:30:45 +0100", **other: Any) -> str:
    """A line of a combined log."""
    usual = {"method": "GET", "status": 302, "agent": CHROME, "referrer": PAGE} | other
    return (
        f'203.0.113.77 - - [{when}] "{usual["method"]} {path} HTTP/1.1" {usual["status"]} 0'
        f' "{usual["referrer"]}" "{usual["agent"]}"'
    )


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines into a log and returns its name."""

    def to_file(*lines: str, name: str = "access.log") -> str:
        path = tmp_path / name
        path.write_text("".join(f"{one}\n" for one in lines))
        return str(path)

    return to_file


def rows(connect: Connect) -> list[Any]:
    return (
        connect()
        .execute(
            "SELECT created_at, event_type, campaign_id, source, metadata FROM analytics_events"
            " ORDER BY created_at, id"
        )
        .fetchall()
    )


def test_a_line_becomes_a_click_at_its_old_time(run: Run, connect: Connect, write: Write) -> None:
    campaign = make.campaign(connect(), tracking_id="abc")
    log = write(line("/r/abc?source=fb&sub1=x&utm_medium=mail&other=1"))

    said = run("events", "import", log, "--json")

    assert said.json == {
        "file": log, "lines": 1, "stored": 1, "already": 0, "passed_over": 0, "gone": 0,
        "rejected": 0, "rejected_file": None,
    }  # fmt: skip
    [(at, kind, owner, source, meta)] = rows(connect)
    assert (at, kind, owner) == (
        datetime(2024, 3, 3, 11, 30, 45, tzinfo=UTC), "click", campaign["id"],
    )  # fmt: skip
    assert source == "fb"
    assert is_click_id(meta.pop("click_id"))
    assert len(meta.pop("visitor")) == 32
    assert meta.pop("received_at").endswith("Z")
    assert meta == {
        "ip": "203.0.113.0", "ua": CHROME, "referrer": "https://blog.example/page",
        "sub1": "x", "utm_medium": "mail", "device": "desktop", "os": "Windows",
        "browser": "Chrome",
    }  # fmt: skip


def test_the_same_file_twice_stores_each_line_once(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    twin = line("/r/abc")
    log = write(twin, twin, line("/r/abc?sub1=2"), twin)

    first = run("events", "import", log, "--json").json
    again = run("events", "import", log, "--json").json

    assert (first["stored"], first["already"]) == (4, 0)
    assert (again["stored"], again["already"]) == (0, 4)
    assert len(rows(connect)) == 4


def test_bad_lines_are_kept_with_their_reason_and_can_be_corrected(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    log = write("nonsense", line("/r/abc"), line("/r/unknown"), line("/r/abc", when="tomorrow"))

    said = run("events", "import", log, "--json").json

    kept = Path(f"{log}.rejected")
    assert (said["stored"], said["rejected"], said["rejected_file"]) == (1, 3, str(kept))
    assert kept.stat().st_mode & 0o777 == 0o600  # the lines hold whole addresses
    text = kept.read_text()
    assert text.startswith("# line 1: The line is not in the common or combined log format.\n")
    assert "# line 3: There is no campaign with the tracking id 'unknown'.\n" in text
    kept.write_text(text.replace("/r/unknown", "/r/abc?sub1=corrected"))
    corrected = run("events", "import", str(kept), "--json").json
    assert (corrected["stored"], corrected["rejected"]) == (1, 2)


def test_times_that_cannot_be_are_rejected_and_make_no_partition(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    log = write(
        line("/r/abc", when="01/Jan/2999:00:00:00 +0000"),
        line("/r/abc", when="01/Jan/1970:00:00:00 +0000"),
    )

    said = run("events", "import", log, "--json").json

    assert (said["stored"], said["rejected"]) == (0, 2)
    assert connect().execute("SELECT to_regclass('analytics_events_2999_01')").fetchone() == (None,)


def test_other_pages_methods_and_failures_are_passed_over(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    log = write(
        line("/"),
        line("/r/abc", method="HEAD"),
        line("/r/abc", method="POST"),
        line("/r/abc", status=404),
        "",
        "# a comment",
    )

    said = run("events", "import", log)

    assert said.code == 0
    assert "6 passed over" in said.out
    assert "--path-prefix" in said.err
    assert not Path(f"{log}.rejected").exists()
    assert rows(connect) == []


def test_other_paths_count_when_they_are_named(run: Run, connect: Connect, write: Write) -> None:
    make.campaign(connect(), tracking_id="abc")
    log = write(line("/go/abc"), line("/landing?s=ad", status=200), line("/other", status=200))

    by_prefix = run("events", "import", log, "--path-prefix", "/go/", "--json").json
    all_of_one = run(
        *("events", "import", log, "--tracking-id", "abc"),
        *("--path-prefix", "/landing", "--json"),
    ).json
    every_line = run("events", "import", log, "--tracking-id", "abc", "--json").json

    assert (by_prefix["stored"], all_of_one["stored"]) == (1, 1)
    assert (every_line["stored"], every_line["already"]) == (1, 2)


def test_a_line_without_agent_is_a_bot_only_where_the_log_tells_agents(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    common = '203.0.113.1 - - [03/Mar/2024:12:00:00 +0000] "GET /r/abc HTTP/1.1" 302 0'
    log = write(common, line("/r/abc", agent="-", referrer="-"))

    run("events", "import", log)

    without, empty = [row[4] for row in sorted(rows(connect), key=lambda row: "ua" in row[4])]
    assert "ua" not in without
    assert "bot" not in without
    assert (empty["ua"], empty["bot"]) == ("", "no_user_agent")


def test_gzipped_logs_and_standard_input_are_read(
    run: Run, connect: Connect, write: Write, tmp_path: Path
) -> None:
    make.campaign(connect(), tracking_id="abc")
    plain = Path(write(line("/r/abc"), line("/r/abc?sub1=2")))
    packed = tmp_path / "access.log.1"  # by its content, not by its name
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    first = run("events", "import", str(packed), "--json").json
    piped = subprocess.run(
        [sys.executable, "-m", "ops", "events", "import", "-", "--json"],
        input=packed.read_bytes(), capture_output=True, check=True,
    )  # fmt: skip

    assert first["stored"] == 2
    assert b'"file":"stdin"' in piped.stdout
    assert b'"already":2' in piped.stdout


def test_a_damaged_archive_keeps_what_came_before(
    run: Run, connect: Connect, tmp_path: Path
) -> None:
    make.campaign(connect(), tracking_id="abc")
    lines = "".join(f"{line(f'/r/abc?sub1={number}')}\n" for number in range(6_000))
    damaged = tmp_path / "access.log.gz"
    damaged.write_bytes(gzip.compress(lines.encode())[:-2_000])

    said = run("events", "import", str(damaged))

    assert said.code == 1
    assert "is damaged after line" in said.err
    [said_lines] = re.findall(r"after line ([0-9,]+):", said.err)
    assert len(rows(connect)) == int(said_lines.replace(",", ""))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("missing.log",), "There is no file"),
        (("/",), "is a folder"),
        (("/dev/null", "--tracking-id", "unknown"), "There is no campaign"),
        (("/dev/null", "--path-prefix", "go"), "must begin with a slash"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    run: Run, words: tuple[str, ...], says: str
) -> None:
    said = run("events", "import", *words)

    assert said.code == 2
    assert says in said.err


def test_an_endless_line_is_rejected_and_its_neighbour_stored(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    log = write("x" * 1_000_000, line("/r/abc"))

    said = run("events", "import", log, "--json").json

    assert (said["lines"], said["stored"], said["rejected"]) == (2, 1, 1)


def test_a_killed_import_is_finished_by_repeating_it(
    run: Run, connect: Connect, write: Write
) -> None:
    make.campaign(connect(), tracking_id="abc")
    log = write(*(line(f"/r/abc?sub1={number // 2}") for number in range(60_000)))
    session = connect()
    first = subprocess.Popen(
        [sys.executable, "-m", "ops", "events", "import", log, "--json"], env=dict(os.environ)
    )
    while session.execute("SELECT count(*) FROM analytics_events").fetchone() == (0,):
        assert first.poll() is None
        time.sleep(0.01)  # until the first chunk shows
    first.send_signal(signal.SIGKILL)
    first.wait()

    said = run("events", "import", log, "--json").json

    assert said["already"] > 0
    assert said["stored"] > 0
    assert said["stored"] + said["already"] == 60_000
    assert session.execute(
        "SELECT count(*), count(DISTINCT metadata->>'click_id') FROM analytics_events"
    ).fetchone() == (60_000, 60_000)


def test_a_click_id_tells_its_moment_and_its_line() -> None:
    ms = 1_700_000_000_123

    one = click_id(ms, "user", "abc", b"line", 0)

    assert is_click_id(one)
    assert time_of(one) == datetime.fromtimestamp(ms / 1000, UTC)
    assert one == click_id(ms, "user", "abc", b"line", 0)
    others = {
        click_id(ms, "user", "abc", b"line", 1),
        click_id(ms, "user", "abd", b"line", 0),
        click_id(ms, "other", "abc", b"line", 0),
    }
    assert len(others | {one}) == 4


def test_repeats_are_counted_in_bounded_memory() -> None:
    repeats = Repeats(remembered=10)

    counts = [repeats.count(b"twin") for _ in range(3)]
    for number in range(100):
        repeats.count(b"%d" % number)

    assert counts == [0, 1, 2]
    assert repeats.count(b"99") == 1
    assert repeats.count(b"twin") == 0
