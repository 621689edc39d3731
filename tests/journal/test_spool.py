"""The spool: what it said is on disk comes back, whatever happened to the file since."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.errors import StoreAway
from base.ids import uuid7_hex
from journal import spool
from journal.appends import Batch
from journal.spool import Damage, Spool, orphans, read, segments, waiting_bytes
from journal.streams import Kind
from tests.journal.spooling import GIB, batch, kept
from tests.reading import ROOT

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
