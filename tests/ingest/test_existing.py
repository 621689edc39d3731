"""Which keys there may be: what is there is always found, made-up keys hardly ever."""

import time
from uuid import uuid4

import pytest

from db import links
from ingest.existing import Existing
from tests import make
from tests.conftest import Connect


def filled(keys: list[str], room: int, page: int = 100) -> Existing:
    existing = Existing(room)
    keys = sorted(keys)
    for _ in range(1_000):
        if existing.complete:
            return existing
        after = existing.after
        existing.read([key for key in keys if key > after][:page], page)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1_024, 2_500])
def test_what_is_there_is_found_and_little_else(count: int) -> None:
    keys = [uuid4().hex for _ in range(count)]

    existing = filled(keys, room=1_024)

    assert all(key in existing for key in keys)
    assert sum(uuid4().hex in existing for _ in range(10_000)) < 150


def test_until_it_is_complete_everything_may_exist() -> None:
    existing = Existing(1_024)
    existing.read([f"a{number:03d}" for number in range(10)], 10)

    assert "made up" in existing
    assert existing.after == "a009"


def test_what_is_told_later_is_there_at_once() -> None:
    existing = filled(["a"], room=1_024)
    assert "new" not in existing

    existing.add(["new"])

    assert "new" in existing


def test_after_many_changes_it_is_read_anew() -> None:
    existing = filled(["a"], room=1_024)

    for number in range(5_000):
        existing.add([f"changed {number}"])
        assert not existing.complete or f"changed {number}" in existing

    assert not existing.complete
    assert existing.after == ""


def test_a_look_costs_a_microsecond_or_so() -> None:
    existing = filled([uuid4().hex for _ in range(1_000)], room=1_024)
    asked = [uuid4().hex for _ in range(10_000)]

    started = time.thread_time()
    for key in asked:
        _ = key in existing
    took = time.thread_time() - started

    assert took / len(asked) < 20e-6  # 0.4 µs on a quiet machine


def test_pages_show_every_tracking_id_once(connect: Connect) -> None:
    session = connect()
    user = make.user(session)["id"]
    made = {make.campaign(session, user_id=user)["tracking_id"] for _ in range(5)}
    make.campaign(session, user_id=user, tracking_id=None)

    seen, after = [], ""
    while page := links.page(session, after, 2):
        seen += page
        after = page[-1]

    assert sorted(seen) == sorted(made)
