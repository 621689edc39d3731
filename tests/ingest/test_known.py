"""What doors know by heart: bounded, told of every change, and still there without stores."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psycopg
import pytest

from base.clock import steady
from base.errors import StoreAway
from db.connection import Tx
from ingest import keeper, known
from ingest.copy import Copy
from ingest.keeper import Keeper
from ingest.known import Known, Row
from ingest.links import Key, compile_key
from tests.conftest import Connect


def row(key: str, user: str = "u") -> Row:
    return {"digest": key, "user_id": user, "scopes": [], "user_status": "active"}


class Rows:
    """A table of one kind of row, asked for as the keeper asks; remembers how often."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.asked: list[list[str]] = []
        self.failures: list[Exception] = []

    def find(self, _: Tx, keys: list[str]) -> dict[str, Row | None]:
        self.asked.append(keys)
        if self.failures:
            raise self.failures.pop()
        return {key: self.rows.get(key) for key in keys}


class Knowing:
    """A cache, the thread that keeps it, and the loop they meet in."""

    def __init__(self, folder: Path, room: int = 1_000) -> None:
        self.rows = Rows()
        self.copy = Copy(folder / "copy.sqlite")
        self.keeper = Keeper(self.copy)
        self.cache: Known[Key] = Known("key", room, compile_key, self.copy, self.keeper.ask)
        self.keeper.add("key", self.cache, self.rows.find)
        self.keeper.start()

    async def fetch(self, key: str) -> Key | None:
        return (await self.cache.fetch([key]))[key]

    async def until(self, true: Callable[[], Any], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)


Test = Callable[[Knowing], Coroutine[Any, Any, None]]
Run = Callable[..., None]


@pytest.fixture
def run(database: str, tmp_path: Path) -> Run:
    """Runs a test with a cache of its own."""

    def go(test: Test, room: int = 1_000) -> None:
        async def whole() -> None:
            knowing = Knowing(tmp_path, room)
            try:
                await knowing.keeper.ready.wait()
                await test(knowing)
            finally:
                knowing.keeper.stop()

        asyncio.run(whole())

    return go


def test_a_row_is_looked_up_once(run: Run) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")

        found = await asyncio.gather(*[here.fetch("a") for _ in range(50)])
        again = await here.fetch("a")

        assert [one and one.digest for one in [*found, again]] == ["a"] * 51
        assert here.rows.asked == [["a"]]

    run(test)


def test_what_is_not_there_is_looked_up_once(run: Run) -> None:
    async def test(here: Knowing) -> None:
        assert [await here.fetch("nobody") for _ in range(5)] == [None] * 5
        assert here.rows.asked == [["nobody"]]

    run(test)


def test_item_31_a_flood_of_unknown_ids_cannot_push_out_what_is_known(run: Run) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        await here.fetch("a")

        await asyncio.gather(*[here.fetch(f"unknown{n}") for n in range(3_000)])

        assert "a" in here.cache.entries
        assert len(here.cache.absent) <= 250

    run(test)


def test_item_31_a_flood_of_unknown_ids_costs_few_queries(run: Run) -> None:
    async def test(here: Knowing) -> None:
        began = steady()

        found = await asyncio.gather(*[here.fetch(f"unknown{n}") for n in range(3_000)])

        rounds = (steady() - began) / keeper.ROUND_SECONDS
        assert set(found) == {None}
        assert len(here.rows.asked) <= rounds + 2
        assert max(map(len, here.rows.asked)) <= keeper.KEYS_A_ROUND

    run(test, room=100_000)


@pytest.mark.parametrize("room", [1, 3, 10])
def test_a_small_room_forgets_but_never_errs(run: Run, room: int) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows = {str(n): row(str(n)) for n in range(100)}

        found = await asyncio.gather(*[here.fetch(str(n)) for n in range(200)])

        assert [one and one.digest for one in found] == [
            *[str(n) for n in range(100)], *[None] * 100
        ]  # fmt: skip
        assert len(here.cache.entries) <= room

    run(test, room=room)


def test_forgetting_in_a_full_room_takes_no_longer_than_remembering(tmp_path: Path) -> None:
    """Dropping the first of a plain dict walks over all that were dropped before."""

    def seconds(room: int) -> float:
        cache = Known("key", room, compile_key, Copy(tmp_path / "copy"), lambda: None)
        cache.put({f"first{n}": None for n in range(room)})
        began = steady()
        cache.put({f"then{n}": None for n in range(20_000)})
        return steady() - began

    assert seconds(4 * 100_000) < 10 * seconds(4 * 100)


def test_too_many_unknown_at_once_are_told_to_come_back(run: Run) -> None:
    async def test(here: Knowing) -> None:
        some = asyncio.gather(
            *[here.fetch(f"unknown{n}") for n in range(known.MOST_WANTED + 10)],
            return_exceptions=True,
        )

        refused = [one for one in await some if isinstance(one, StoreAway)]

        assert len(refused) >= 10
        await here.until(lambda: not here.cache.wanted(1))
        assert await here.fetch("later") is None

    run(test)


def change(connect: Connect, noun: str, key: str) -> None:
    connect().execute("INSERT INTO link_changes (noun, key) VALUES (%s, %s)", (noun, key))


def test_a_change_acts_within_two_seconds(run: Run, connect: Connect) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        await here.fetch("a")
        assert await here.fetch("b") is None
        here.rows.rows = {"a": row("a", "another"), "b": row("b")}

        for key in ("a", "b"):
            change(connect, "key", key)

        await here.until(lambda: here.cache.entries["a"].user_id == "another", 2)
        assert await here.fetch("b") is not None

    run(test)


def test_a_row_that_went_is_gone_from_the_copy_too(run: Run, connect: Connect) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        await here.fetch("a")
        assert here.copy.read("key", "a") == row("a")
        here.rows.rows = {}

        change(connect, "key", "a")

        await here.until(lambda: "a" not in here.cache.entries, 2)
        assert here.copy.read("key", "a") is None

    run(test)


def test_a_changed_user_refreshes_all_that_is_his(run: Run, connect: Connect) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows = {"a": row("a", "u1"), "b": row("b", "u1"), "c": row("c", "u2")}
        for key in "abc":
            await here.fetch(key)
        here.rows.asked.clear()

        change(connect, "user", "u1")

        await here.until(lambda: here.rows.asked, 2)
        assert here.rows.asked == [["a", "b"]]

    run(test)


def test_a_change_that_could_not_be_followed_is_followed_later(run: Run, connect: Connect) -> None:
    """The database went away between telling of the change and telling the row."""

    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        await here.fetch("a")
        here.rows.rows = {"a": row("a", "another")}
        here.rows.failures = [psycopg.OperationalError("cut")]

        change(connect, "key", "a")

        await here.until(lambda: here.cache.entries["a"].user_id == "another", 4)
        assert here.rows.failures == []

    run(test)


def test_a_change_of_everything_has_all_forgotten(run: Run, connect: Connect) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        await here.fetch("a")

        change(connect, "all", "")

        await here.until(lambda: not here.cache.entries, 2)

    run(test)


def test_one_row_that_cannot_be_compiled_does_not_blind_the_door(run: Run) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows = {"bad": {"digest": "bad"}, "good": row("good")}

        with pytest.raises(StoreAway):
            await here.fetch("bad")

        assert await here.fetch("good") is not None

    run(test)


def test_without_the_database_the_copy_answers(run: Run) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        await here.fetch("a")
        here.cache.forget_all()
        here.rows.failures = [psycopg.OperationalError("away") for _ in range(100)]

        found = await here.fetch("a")
        with pytest.raises(StoreAway):
            await here.fetch("never seen")

        assert found is not None
        assert "never seen" not in here.cache.absent

    run(test)


def test_what_the_copy_gave_is_doubted_when_the_database_is_back(run: Run) -> None:
    async def test(here: Knowing) -> None:
        here.rows.rows["a"] = row("a")
        here.copy.write("key", {"a": row("a", "old")})
        here.cache.set_away(True)
        old = await here.fetch("a")
        assert old is not None
        assert old.user_id == "old"

        here.cache.set_away(False)

        new = await here.fetch("a")
        assert new is not None
        assert new.user_id == "u"

    run(test)
