"""The spool when its room or its disk ends."""

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.spool import Damage, Spool, SpoolFull, read, segments, waiting_bytes
from tests.journal.spooling import GIB, batch, kept


def test_a_full_spool_refuses_and_holds_what_it_had(tmp_path: Path) -> None:
    own = Spool(tmp_path, "own", 300)
    first = batch(b"x" * 100)
    own.append([first])

    with pytest.raises(SpoolFull):
        own.append([batch(b"x" * 200)])

    assert kept(own.folder) == [first]
    own.append([batch()])
    own.close()


def test_room_that_was_freed_is_used_again(tmp_path: Path) -> None:
    own = Spool(tmp_path, "own", 300)
    own.append([batch(b"x" * 200)])
    own.seal()
    own.forget(own.sealed()[0], Damage())

    again = batch(b"y" * 200)
    own.append([again])

    assert kept(own.folder) == [again]
    own.close()


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of this process can grow past 4096 bytes: what a disk does when it is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_write_that_fails_condemns_its_segment_and_goes_into_a_fresh_one(
    own: Spool, small_files: int
) -> None:
    first, second = batch(b"x" * 3_000), batch(b"y" * 3_000)
    own.append([first])

    own.append([second])

    torn, fresh = segments(own.folder)
    damage = Damage()
    assert list(read(torn, damage)) == [first]
    assert damage.bytes > 0
    assert list(read(fresh, Damage())) == [second]


def test_bytes_on_disk_are_counted_when_a_write_was_torn(own: Spool, small_files: int) -> None:
    own.append([batch(b"x" * 3_000)])
    own.append([batch(b"y" * 3_000)])

    assert own.bytes == waiting_bytes(own.root)
    own.seal()
    for segment in own.sealed():
        own.forget(segment, Damage())
    assert own.bytes == 0


def test_a_disk_that_refuses_twice_is_a_full_spool(own: Spool, small_files: int) -> None:
    with pytest.raises(SpoolFull, match=os.strerror(errno.EFBIG)):
        own.append([batch(b"x" * 5_000)])

    small = batch()
    own.append([small])
    assert small in [one for path in segments(own.folder) for one in read(path, Damage())]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for bytes but not for another file."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-o", "size=1m,nr_inodes=4"]  # the root, the spool's folder, its lock, one segment
    ran = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True)
    if ran.returncode:
        pytest.skip("this container may not mount a disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_spool_takes_a_fifth_of_its_disk_and_no_more(tiny_disk: Path) -> None:
    own = Spool(tiny_disk, "own", GIB)

    def fill() -> None:
        for _ in range(200):
            own.append([batch(b"x" * 10_000)])

    with pytest.raises(SpoolFull):
        fill()

    assert 100_000 < own.bytes < 0.2 * (1 << 20)
    own.close()


def test_a_disk_without_room_for_another_segment_is_a_full_spool(tiny_disk: Path) -> None:
    own = Spool(tiny_disk, "own", GIB)
    own.append([batch()])
    own.seal()

    with pytest.raises(SpoolFull, match=os.strerror(errno.ENOSPC)):
        own.append([batch()])

    own.forget(own.sealed()[0], Damage())
    own.append([batch()])
    own.close()


def test_it_takes_a_fifth_of_what_the_disk_has_left_and_no_more(tiny_disk: Path) -> None:
    own = Spool(tiny_disk, "own", GIB)

    with pytest.raises(SpoolFull, match="The spool is full"):
        own.append([batch(b"x" * 300_000)])

    own.append([batch(b"x" * 100_000)])
    own.close()


def test_a_folder_that_was_removed_under_it_is_a_full_spool(tmp_path: Path) -> None:
    own = Spool(tmp_path, "own", GIB)
    (own.folder / "lock").unlink()
    own.folder.rmdir()

    with pytest.raises(SpoolFull):
        own.append([batch()])

    own.close()
