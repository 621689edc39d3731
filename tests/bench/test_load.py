"""The load generator counts what it asked, keeps what was acked, and always ends."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.bench import load, traffic
from ops.bench.children import Child, child, python, wait_until_answering
from ops.local.ports import free_port


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[Child, int]]:
    port = free_port()
    argv = python("-m", "ops.bench.bare", str(port))
    with child("bare", argv, os.environ, tmp_path) as server:
        wait_until_answering(server, port, "/", status=302)
        yield server, port


def generator(port: int, folder: Path, *more: str) -> list[str]:
    traffic.save(traffic.visits(["one", "two"], 50), folder / "targets.json")
    return python(
        "-m", "ops.bench.load", "--url", f"http://127.0.0.1:{port}", "--connections", "8",
        "--targets", str(folder / "targets.json"), "--acked", str(folder / "acked.ids"),
        "--report", str(folder / "report.json"), *more,
    )  # fmt: skip


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_every_answer_is_counted_and_every_acked_id_is_kept(
    bare: tuple[Child, int], tmp_path: Path
) -> None:
    with child("load", generator(bare[1], tmp_path, "--seconds", "1"), os.environ, tmp_path) as run:
        code = run.wait(20)

    report = report_of(tmp_path)
    assert code == 0
    assert report["requests"] > 100
    assert report["statuses"] == {"302": report["requests"]}
    assert report["acked"] == report["requests"]
    assert (tmp_path / "acked.ids").stat().st_size == 32 * report["acked"]
    assert (report["errors"], report["unanswered"]) == (0, 0)
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    assert report["latency_ms"]["p99"] <= report["latency_ms"]["max"]


def test_an_open_loop_asks_at_the_rate_it_was_given(
    bare: tuple[Child, int], tmp_path: Path
) -> None:
    argv = generator(bare[1], tmp_path, "--seconds", "2", "--rate", "200")
    with child("load", argv, os.environ, tmp_path) as run:
        run.wait(20)

    report = report_of(tmp_path)
    assert 300 <= report["requests"] <= 410
    assert (report["errors"], report["unanswered"]) == (0, 0)


def test_a_run_by_number_ends_soon_after_that_number(
    bare: tuple[Child, int], tmp_path: Path
) -> None:
    argv = generator(bare[1], tmp_path, "--seconds", "60", "--requests", "500")
    with child("load", argv, os.environ, tmp_path) as run:
        run.wait(30)

    assert 500 <= report_of(tmp_path)["requests"] < 60_000


def test_a_server_that_dies_is_an_error_and_not_a_hang(
    bare: tuple[Child, int], tmp_path: Path
) -> None:
    argv = generator(bare[1], tmp_path, "--seconds", "2")
    with child("load", argv, os.environ, tmp_path) as run:
        bare[0].stop()
        code = run.wait(20)

    assert code == 0
    assert report_of(tmp_path)["errors"] > 0


def test_sigterm_ends_a_run_early_with_its_report(bare: tuple[Child, int], tmp_path: Path) -> None:
    argv = generator(bare[1], tmp_path, "--seconds", "600", "--requests", "1000000000")
    with child("load", argv, os.environ, tmp_path) as run:
        while not psutil.Process(run.pid).net_connections("tcp"):
            assert run.running()
        os.kill(run.pid, signal.SIGTERM)
        code = run.wait(20)

    assert code == 0
    assert report_of(tmp_path)["unanswered"] == 0


def measure_against(
    parts: list[bytes], pause: float, *, connections: int, seconds: float, rate: float | None
) -> load.Report:
    """A run against a server that pauses before each part of its answer."""

    async def run() -> load.Report:
        clients = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.append(asyncio.current_task())
            while await reader.read(4096):
                for part in parts:
                    await asyncio.sleep(pause)
                    writer.write(part)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            wire = [traffic.Target("/").wire("localhost")]
            report, _ = await load.run(
                "127.0.0.1", port, wire, connections=connections, seconds=seconds, rate=rate
            )
            await asyncio.gather(*filter(None, clients))
            return report

    return asyncio.run(run())


def test_latency_of_an_open_loop_counts_from_when_a_request_was_due() -> None:
    slow = [b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"]

    report = measure_against(slow, 0.05, connections=1, seconds=0.5, rate=100.0)

    assert report.latency_ms["p50"] > 100  # twenty a second cannot keep up with a hundred
    assert report.unanswered > 10


def test_an_answer_in_pieces_is_one_answer() -> None:
    pieces = [b"HTTP/1.1 200 OK\r\ncontent-le", b"ngth: 5\r\n\r\nhe", b"llo"]

    report = measure_against(pieces, 0.01, connections=2, seconds=0.3, rate=None)

    assert report.requests > 4
    assert report.statuses == {"200": report.requests}
