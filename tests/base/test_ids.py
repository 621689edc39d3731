"""Ids: their shape, their time, and that no two are alike, in forked children neither."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import floor_at, is_click_id, ms_of, time_of, uuid7_hex
from tests.reading import ROOT

MOMENT = datetime(2026, 11, 22, 16, 30, 0, 250_000, UTC)
MS = 1_795_365_000_250
CLICK = "01a20417d43a77f6b66ffe2c85765d2b"


@given(st.integers(0, 253_402_300_799_999))
def test_an_id_is_a_uuid_of_version_7_that_holds_its_milliseconds(ms: int) -> None:
    made = uuid7_hex(ms)

    assert UUID(made).version == 7
    assert UUID(made).variant == "specified in RFC 4122"
    assert UUID(made).hex == made
    assert ms_of(made) == ms
    assert is_click_id(made)


def test_a_hundred_thousand_ids_of_one_millisecond_are_all_different() -> None:
    assert len({uuid7_hex(MS) for _ in range(100_000)}) == 100_000


FORKING = """
import os
from base.ids import uuid7_hex
uuid7_hex(0)  # the pool of randomness is half used now
if child := os.fork():
    os.waitpid(child, 0)
print(*(uuid7_hex(0) for _ in range(50)), flush=True)
"""


def test_a_forked_child_does_not_repeat_its_parents_ids() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORKING], cwd=ROOT, capture_output=True, text=True, check=True
    )

    ids = ran.stdout.split()
    assert len(ids) == len(set(ids)) == 100


def test_ids_sort_by_their_time() -> None:
    made = [uuid7_hex(ms) for ms in range(MS, MS + 2_000, 7)]

    assert made == sorted(made)


def test_an_id_gives_its_moment_back_to_the_millisecond() -> None:
    assert time_of(uuid7_hex(MS)) == MOMENT


def test_the_floor_of_a_moment_is_below_its_ids_and_above_all_earlier_ones() -> None:
    floor = floor_at(MOMENT)

    assert UUID(uuid7_hex(MS)) >= floor
    assert UUID(uuid7_hex(MS - 1)) < floor
    assert floor_at(MOMENT + timedelta(milliseconds=1)) > UUID(uuid7_hex(MS))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 32,
        CLICK.upper(),
        CLICK[:-1],
        CLICK + "0",
        str(UUID(CLICK)),
        CLICK[:12] + "4" + CLICK[13:],
        CLICK[:16] + "c" + CLICK[17:],
        CLICK[:31] + "g",
        CLICK[:31] + "\n",
        CLICK[:31] + "٣",
    ],
)
def test_what_is_no_click_id_is_not_taken_for_one(text: str) -> None:
    assert not is_click_id(text)
    assert is_click_id(CLICK)
