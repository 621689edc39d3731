"""What holds acked against stored, and what watches processes, tells the truth."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from base.ids import uuid7_hex
from ops.bench import database
from ops.bench.children import ChildFailed, child, python, wait_until_answering
from ops.bench.sampling import sampled
from ops.local.ports import free_port
from ops.local.servers import forget, start_postgres


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ruler") / "postgres"
    server = start_postgres(folder)
    with database.session(server.url) as connection:
        connection.execute(
            "CREATE TABLE analytics_events (id bigserial, user_id uuid, campaign_id uuid,"
            " event_type text, source text, metadata jsonb, revenue numeric,"
            " created_at timestamptz DEFAULT now())"
        )
    yield server.url
    server.stop()
    forget(folder)


def store(url: str, ids: list[str]) -> None:
    database.empty(url)
    with database.session(url) as connection:
        for click_id in ids:
            connection.execute(
                "INSERT INTO analytics_events (metadata)"
                " VALUES (jsonb_build_object('click_id', %s::text))",
                [click_id],
            )


def test_lost_doubled_and_unasked_rows_are_told_apart(url: str) -> None:
    a, b, c, d = (uuid7_hex(1_700_000_000_000 + number) for number in range(4))
    store(url, [a, b, b, d])

    found = database.compare(url, f"{a}{b}{c}".encode())

    assert found == database.Difference(missing=1, unexpected=1, repeated=1)
    assert not found.none


def test_stored_equals_acked_is_no_difference(url: str) -> None:
    ids = [uuid7_hex(1_700_000_000_000) for _ in range(50)]
    store(url, ids)

    found = database.compare(url, "".join(ids).encode())

    assert found.none


def test_rows_copied_out_can_be_copied_in(url: str) -> None:
    ids = [uuid7_hex(1_700_000_000_000) for _ in range(20)]
    store(url, ids)
    block = b"".join(database.lines(url, 100))

    database.empty(url)
    with database.session(url) as connection:
        database.copy_in(connection, block)

    assert database.compare(url, "".join(ids).encode()).none


def test_a_child_and_its_own_children_end_with_the_block(tmp_path: Path) -> None:
    argv = python(
        "-c",
        "import subprocess, signal; subprocess.Popen(['sleep', '600']);"
        " print('ready', flush=True); signal.pause()",
    )
    with child("parent", argv, os.environ, tmp_path) as started:
        while b"ready" not in (tmp_path / "parent.log").read_bytes():
            assert started.running()
        family = [started.pid, *(each.pid for each in psutil.Process(started.pid).children())]

    assert len(family) == 2
    assert not any(
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        for pid in family
    )


def test_a_child_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    argv = python("-c", "raise SystemExit('no luck today')")

    with (
        child("unlucky", argv, os.environ, tmp_path) as started,
        pytest.raises(ChildFailed, match="no luck today"),
    ):
        wait_until_answering(started, free_port(), "/")


def test_cpu_of_a_whole_tree_is_summed(tmp_path: Path) -> None:
    argv = python(
        "-c",
        "import os, signal; parent = os.fork(); parent or sum(range(20_000_000));"
        " parent or print('burnt', flush=True); signal.pause()",
    )
    with (
        child("burner", argv, os.environ, tmp_path) as started,
        sampled({"burner": started.pid}) as usage,
    ):
        while b"burnt" not in (tmp_path / "burner.log").read_bytes():
            assert started.running()

    assert usage["burner"].processes == 2
    assert usage["burner"].cpu_seconds > 0.05
    assert usage["burner"].largest_mib > 1
