"""The spool: what it said is on disk comes back, whatever happened to the file since."""

import errno
import os
import resource
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import StoreAway
from base.ids import uuid7_hex
from journal import spool
from journal.appends import Batch
from journal.spool import Damage, Spool, SpoolFull, orphans, read, segments, waiting_bytes
from journal.streams import Kind
from tests.reading import ROOT

GIB = 1024**3


def batch(body: bytes = b'[{"type":"click"}]', kind: Kind = Kind.CLICKS) -> Batch:
    return Batch(kind, uuid7_hex(1_795_365_000_000), 1, body, b"1")


BATCHES = st.lists(
    st.builds(
        Batch,
        st.sampled_from(Kind),
        st.integers(0, 2**48 - 1).map(uuid7_hex),
        st.integers(1, 2_000),
        # The mark of a record inside a body must not be taken for a record.
        st.lists(st.one_of(st.binary(max_size=40), st.just(b"\xf4HF1")), max_size=4).map(b"".join),
        st.sampled_from([b"1", b"2"]),
    ),
    max_size=6,
)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Spool]:
    """A spool in use."""
    made = Spool(tmp_path, "own", GIB)
    yield made
    made.close()


def kept(folder: Path) -> list[Batch]:
    """All batches in a folder, in order; none may be damaged."""
    damage = Damage()
    found = [one for segment in segments(folder) for one in read(segment, damage)]
    assert damage.bytes == 0
    return found


def written(root: Path, *groups: list[Batch]) -> Path:
    """The only segment of a spool that got these appends and was killed."""
    made = Spool(root, uuid7_hex(0), GIB)
    for group in groups:
        made.append(group)
    made.seal()
    (segment,) = segments(made.folder)
    assert made._lock is not None
    os.close(made._lock)
    return segment


def test_what_was_appended_is_read_again_in_order(own: Spool) -> None:
    first, second, third = batch(b""), batch(b"\x00" * 5_000), batch(kind=Kind.CONVERSIONS)

    own.append([first, second])
    own.append([third])

    assert kept(own.folder) == [first, second, third]
    assert own.bytes == waiting_bytes(own.root) > 5_000


@given(BATCHES, st.data())
def test_a_file_cut_anywhere_keeps_exactly_the_whole_records_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Batch], data: st.DataObject
) -> None:
    whole = b"".join(map(spool._encode, batches))
    ends = [len(b"".join(map(spool._encode, batches[:count]))) for count in range(len(batches) + 1)]
    cut = data.draw(st.integers(0, len(whole)))
    segment = tmp_path_factory.getbasetemp() / "cut.seg"
    segment.write_bytes(whole[:cut])
    damage = Damage()

    found = list(read(segment, damage))

    count = sum(1 for end in ends[1:] if end <= cut)
    assert found == batches[:count]
    assert damage.bytes == cut - ends[count]


@given(BATCHES.filter(bool), st.data())
def test_a_flipped_byte_loses_one_record_at_most(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Batch], data: st.DataObject
) -> None:
    records = list(map(spool._encode, batches))
    whole = bytearray(b"".join(records))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    hit = next(
        number for number in range(len(records)) if at < sum(map(len, records[: number + 1]))
    )
    segment = tmp_path_factory.getbasetemp() / "flipped.seg"
    segment.write_bytes(whole)
    damage = Damage()

    found = list(read(segment, damage))

    assert found == batches[:hit] + batches[hit + 1 :]
    assert damage.bytes > 0


def test_a_record_of_an_unknown_kind_is_passed_over_and_counted(tmp_path: Path) -> None:
    strange = spool._encode(batch()).replace(b"clicks", b"hurlcs")
    payload = strange[spool._HEAD.size :]
    head = spool._HEAD.pack(spool._MAGIC, len(payload), zlib.crc32(payload))
    known = batch()
    segment = tmp_path / "00000001.seg"
    segment.write_bytes(head + payload + spool._encode(known))
    damage = Damage()

    assert list(read(segment, damage)) == [known]
    assert damage.bytes == len(strange)


def test_a_damaged_segment_is_kept_aside_a_sound_one_goes(own: Spool) -> None:
    own.append([batch()])
    own.seal()
    own.append([batch()])
    own.seal()
    first, second = own.sealed()

    own.forget(first, Damage(7))
    own.forget(second, Damage())

    assert [path.name for path in own.folder.iterdir() if path.name != "lock"] == [
        "00000001.damaged"
    ]
    assert own.bytes == 0


def test_what_was_kept_aside_survives_a_graceful_stop(tmp_path: Path) -> None:
    own = Spool(tmp_path, "own", GIB)
    own.append([batch()])
    own.seal()
    own.forget(own.sealed()[0], Damage(7))

    own.close()

    assert list(tmp_path.glob("*/*.damaged"))


def test_a_folder_is_held_by_one_process_at_a_time(own: Spool) -> None:
    with pytest.raises(StoreAway, match="Another process holds the spool folder"):
        Spool(own.root, "own", GIB)


def test_an_empty_folder_goes_with_its_process(tmp_path: Path) -> None:
    Spool(tmp_path, "own", GIB).close()

    assert list(tmp_path.iterdir()) == []


def test_a_new_start_never_writes_into_an_old_segment(tmp_path: Path) -> None:
    first = Spool(tmp_path, "own", GIB)
    first.append([batch()])
    before = segments(first.folder)[0].read_bytes()
    first.close()

    second = Spool(tmp_path, "own", GIB)
    second.append([batch()])
    second.close()

    old, new = segments(second.folder)
    assert old.read_bytes() == before
    assert new.name == "00000002.seg"


def test_the_open_segment_is_not_replayed_until_it_is_sealed(own: Spool) -> None:
    own.append([batch()])
    assert own.sealed() == []

    own.seal()

    assert len(own.sealed()) == 1


def test_segments_stay_of_a_size_that_fits_into_memory(own: Spool) -> None:
    big = batch(b"x" * (spool.SEGMENT_BYTES // 2 + 1))

    for _ in range(3):
        own.append([big])

    assert len(segments(own.folder)) == 2


def test_a_dead_doors_folder_is_adopted_by_one_other(own: Spool) -> None:
    segment = written(own.root, [batch()])

    (adopted,) = orphans(own.root, "own")
    assert list(orphans(own.root, "own")) == []
    assert kept(adopted.folder) != []
    spool.drop(segment, Damage())
    adopted.close()

    assert not adopted.folder.exists()


def test_a_living_doors_folder_is_not_adopted(own: Spool) -> None:
    program = (
        "import sys; from pathlib import Path; from journal.spool import Spool;"
        f"s = Spool(Path({str(own.root)!r}), 'other', 2**30); print('held', flush=True);"
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"

    assert list(orphans(own.root, "own")) == []
    other.kill()
    other.communicate()
    (adopted,) = orphans(own.root, "own")
    adopted.close()


def test_a_folder_with_only_damaged_segments_is_left_to_a_person(own: Spool) -> None:
    segment = written(own.root, [batch()])
    (adopted,) = orphans(own.root, "own")
    spool.drop(segment, Damage(1))
    adopted.close()

    assert adopted.folder.exists()
    assert list(orphans(own.root, "own")) == []


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

    own.append([batch(b"x" * 200)])

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
