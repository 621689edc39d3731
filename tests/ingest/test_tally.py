"""The tally: counts that outlive the process, and what becomes of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from base.clock import wall_ms
from base.ids import uuid7_hex
from ingest.tally import SLOTS, Count, Tally, leftovers
from journal.appends import Batch
from journal.streams import Kind
from schemas.items import Door

MINUTE = 60_000


def batch(ms: int, **doors: int) -> Batch:
    return Batch(Kind.CLICKS, uuid7_hex(ms), sum(doors.values()), b"[]", b"1", doors)


def test_counts_are_by_the_minute_inside_the_batch_and_by_door(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")
    early, late = batch(5 * MINUTE, r=3, p=1), batch(6 * MINUTE + 1, r=2)

    tally.offer([early, late])
    tally.ack([early])
    tally.refuse([late], surely=True)
    tally.drop("r", 7, 6 * MINUTE)

    assert sorted(tally.changed()) == [
        Count(5, "p", 1, 1, 0, 0), Count(5, "r", 3, 3, 0, 0), Count(6, "r", 2, 0, 2, 9)
    ]  # fmt: skip


def test_every_door_has_a_place(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")

    for door in Door:
        tally.offer([batch(MINUTE, **{door: 1})])

    assert {count.door for count in tally.changed()} == set(Door)


def test_what_was_told_once_is_told_again_only_when_it_changes(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")
    tally.offer([batch(MINUTE, r=1)])

    first, again = tally.changed(), tally.changed()
    tally.unpublished(first)

    assert again == []
    assert tally.changed() == first


def test_a_minute_takes_the_slot_of_the_day_before(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")
    tally.offer([batch(MINUTE, r=1, p=1)])

    tally.offer([batch((1 + SLOTS) * MINUTE, r=5)])

    assert tally.changed() == [Count(1 + SLOTS, "r", 5, 0, 0, 0)]


def test_a_tally_that_was_told_whole_leaves_no_file(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")
    tally.offer([batch(MINUTE, r=1)])
    tally.changed()
    tally.published()

    tally.close()

    assert list(tmp_path.iterdir()) == []


def test_a_tally_that_ends_while_it_is_told_keeps_its_file(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")
    tally.offer([batch(MINUTE, r=1)])
    told = tally.changed()

    tally.close()
    (left,) = leftovers(tmp_path)

    assert left.counts == told
    left.close()


def test_a_file_of_the_living_is_nobodys_leftover(tmp_path: Path) -> None:
    tally = Tally(tmp_path, "a")
    tally.offer([batch(MINUTE, r=1)])

    while_alive = list(leftovers(tmp_path))
    tally.close()
    (left,) = leftovers(tmp_path)

    assert while_alive == []
    assert (left.name, left.counts) == ("a", [Count(1, "r", 1, 0, 0, 0)])
    left.close()


_KILLED = """
import os, signal, sys
from pathlib import Path
from ingest.tally import Tally
from tests.ingest.test_tally import batch
tally = Tally(Path(sys.argv[1]), "killed")
tally.offer([batch(60_000, r=12)])
tally.ack([batch(60_000, r=11)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_counts_outlive_kill_9(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _KILLED, tmp_path], check=False)

    (left,) = leftovers(tmp_path)

    assert died.returncode == -signal.SIGKILL
    assert left.counts == [Count(1, "r", 12, 11, 0, 0)]
    left.close()


def test_what_another_wrote_into_the_folder_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "empty.tally").touch()
    (tmp_path / "other.tally").write_bytes(os.urandom(10_000))

    found = list(leftovers(tmp_path))

    assert [left.counts for left in found] == [[], []]
    for left in found:
        left.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of a few pages is made by root")
def test_a_full_disk_is_no_end_of_a_door(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    try:
        tally = Tally(tmp_path, "a")
        now = wall_ms()
        for minute in range(SLOTS):
            tally.offer([batch(now + minute * MINUTE, r=1)])

        assert len(tally.changed()) == SLOTS
        tally.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)
