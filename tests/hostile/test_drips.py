"""Item 19: clients who send or read a byte at a time, while others are served as ever."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from base.clock import steady
from tests.fleet.program import ROOT, until
from tests.hostile.siege import Siege, request

GOOD_CONNECTIONS = 8
PACE_SECONDS = 0.02  # between two requests of one connection


class Attack:
    """The drippers' process, and what it has said of itself."""

    def __init__(self, port: int, count: int, log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            argv = [sys.executable, "-m", "tests.hostile.dripping", str(port), str(count)]
            self.process = subprocess.Popen(argv, cwd=ROOT, stdout=out)

    def said(self) -> dict[str, Any]:
        """Its last whole line."""
        lines = self._log.read_text().split("\n")[:-1]
        return dict(json.loads(lines[-1])) if lines else {"open": 0, "cut": {}}

    def cut(self, sort: str) -> int:
        """How often this sort was hung up on."""
        return int(self.said()["cut"].get(sort, 0))


@contextmanager
def dripping(siege: Siege, count: int, folder: Path) -> Iterator[Attack]:
    """So many drippers at the door while the block lasts."""
    attack = Attack(siege.fleet.port, count, folder / "drips.log")
    try:
        yield attack
    finally:
        attack.process.kill()
        attack.process.wait()


def test_item_19_slow_clients_are_cut_while_others_are_served(siege: Siege, tmp_path: Path) -> None:
    with dripping(siege, 200, tmp_path) as attack:
        until(lambda: attack.said()["open"] == 200, 30, "all are connected")
        began = steady()
        while attack.cut("head 408") < 50 or attack.cut("body 408") < 50:
            assert siege.click().status == 302
            assert steady() - began < 30, attack.said()
        took = steady() - began

    assert took > 5
    assert {sort.partition(" ")[0] for sort in attack.said()["cut"]} <= {"head", "body", "reader"}


async def _good(siege: Siege, seconds: float) -> list[float]:
    """How long each of many paced clicks took; their acks are the tenant's."""
    took: list[float] = []
    path = request(b"GET", f"/r/{siege.name}".encode())

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", siege.fleet.port)
        end = steady() + seconds
        await asyncio.sleep(PACE_SECONDS * number / GOOD_CONNECTIONS)
        while steady() < end:
            began = steady()
            writer.write(path)
            head = await reader.readuntil(b"\r\n\r\n")
            took.append(steady() - began)
            assert head.startswith(b"HTTP/1.1 302")
            siege.acked.append(head.partition(b"X-Click-Id: ")[2][:32].decode())
            await asyncio.sleep(PACE_SECONDS)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(GOOD_CONNECTIONS)))
    return sorted(took)


def _p99(siege: Siege, seconds: float) -> float:
    took = asyncio.run(_good(siege, seconds))
    return took[len(took) * 99 // 100]


@pytest.mark.long
def test_item_19_two_thousand_drippers_do_not_double_anybodys_wait(
    siege: Siege, tmp_path: Path
) -> None:
    before = _p99(siege, 8)
    with dripping(siege, 2_000, tmp_path) as attack:
        until(lambda: attack.said()["open"] == 2_000, 60, "all are connected")
        attacked = _p99(siege, 16)
        said = attack.said()
    after = _p99(siege, 8)

    print(f"p99 quiet {before * 1000:.1f} ms, attacked {attacked * 1000:.1f} ms,"
          f" quiet {after * 1000:.1f} ms; {said}")  # fmt: skip
    assert attack.cut("head 408") >= 500
    assert attack.cut("body 408") >= 500
    assert attacked < 2 * max(before, after)
