"""The copy of links on a door's disk: there after a restart, harmless when damaged."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingest.copy import Copy


def row(n: int = 1) -> dict[str, Any]:
    return {"n": n}


def test_what_was_written_is_read_by_the_next_process(tmp_path: Path) -> None:
    Copy(tmp_path / "c").write("link", {"a": row(1), "b": row(2)})

    again = Copy(tmp_path / "c")

    assert again.read("link", "a") == row(1)
    assert again.read("key", "a") is None
    assert sorted(again.keys("link", ["a", "b", "c"])) == ["a", "b"]


def test_a_row_of_nothing_removes(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "c")
    copy.write("link", {"a": row()})

    copy.write("link", {"a": None, "b": None})

    assert copy.read("link", "a") is None


def test_several_threads_share_it(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "c")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: copy.write("link", {str(n): row(n)}), range(200)))

    assert len(copy.keys("link", [str(n) for n in range(200)])) == 200


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    Copy(tmp_path / "c").write("link", {"a": row()})

    assert (tmp_path / "c").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"", b"SQLite format 3\0"])
def test_a_damaged_copy_knows_nothing_and_heals(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "c").write_bytes(damage)
    copy = Copy(tmp_path / "c")

    assert copy.read("link", "a") is None
    copy.write("link", {"a": row()})
    copy.write("link", {"a": row()})

    assert copy.read("link", "a") == row()


def test_keys_of_strangers_are_only_text(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "c")
    strange = ["'; DROP TABLE known; --", "é" * 50, "", "\n"]

    copy.write("link", dict.fromkeys(strange, row()))

    assert sorted(copy.keys("link", strange)) == sorted(strange)


def test_a_thread_that_finds_the_damage_heals_it_for_the_others(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "c")
    copy.write("link", {"a": row(1)})
    with ThreadPoolExecutor(1) as other:
        assert other.submit(copy.read, "link", "a").result() == row(1)
        (tmp_path / "c").write_bytes(b"this is no database at all" * 1_000)
        (tmp_path / "c-wal").unlink()
        for _ in range(3):
            copy.write("link", {"a": row(2)})

        found = [other.submit(copy.read, "link", "a").result() for _ in range(3)]

    assert copy.read("link", "a") == row(2)
    assert found[-1] == row(2)
