"""`hopfleet dead`: listed, read, replayed, dropped, by their addresses."""

import pytest

from db import held
from db.held import dead_batch, dead_item
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


@pytest.fixture
def letters(connect: Connect) -> list[str]:
    """Addresses of three dead letters, the oldest first; the last is a batch nobody can read."""
    held.hold(
        connect(),
        [
            dead_item("clicks", make.batch_id(), 0, {"id": "x"}, "unreadable", "not an item"),
            dead_item("clicks", make.batch_id(), 4, {"id": "y"}, "no_partition"),
            dead_batch("clicks", make.batch_id(), b"\xffnonsense", "r:2", "unreadable"),
        ],
    )
    rows = connect().execute("SELECT id FROM held_events ORDER BY id").fetchall()
    return [f"event:{row[0]}" for row in rows]


def states(connect: Connect) -> list[str]:
    rows = connect().execute("SELECT state FROM held_events ORDER BY id").fetchall()
    return [row[0] for row in rows]


def test_dead_letters_are_listed_newest_first_page_by_page(run: Run, letters: list[str]) -> None:
    first = run("dead", "list", "--limit", "2", "--json").json
    rest = run("dead", "list", "--after", first["next"], "--json").json

    shown = [item["address"] for item in first["items"] + rest["items"]]
    assert shown == letters[::-1]
    assert rest["next"] is None


def test_dead_letters_are_listed_by_reason(run: Run, letters: list[str]) -> None:
    said = run("dead", "list", "--reason", "no_partition", "--json").json

    assert [item["address"] for item in said["items"]] == [letters[1]]
    assert run("dead", "list", "--reason", "other").err == "No dead letters.\n"


def test_a_dead_letter_is_read_whatever_it_holds(run: Run, letters: list[str]) -> None:
    item = run("dead", "show", letters[0], "--json").json
    batch = run("dead", "show", letters[2], "--json").json

    assert (item["item"], item["reason"], item["last_error"]) == (
        {"id": "x"}, "unreadable", "not an item",
    )  # fmt: skip
    assert batch["item"] == "\\xffnonsense"
    assert '"id": "x"' in run("dead", "show", letters[0]).out


def test_named_letters_are_replayed(run: Run, connect: Connect, letters: list[str]) -> None:
    said = run("dead", "replay", letters[0], letters[1], "--json")

    assert said.json == {"replayed": 2}
    assert states(connect) == ["pending", "pending", "dead"]
    assert run("dead", "replay", letters[0]).code == 2  # it is not dead any more


def test_all_letters_of_a_reason_are_replayed(
    run: Run, connect: Connect, letters: list[str]
) -> None:
    refused = run("dead", "replay", "--reason", "unreadable", given="n\n")
    told = run("dead", "replay", "--reason", "unreadable", "--dry-run")
    before = states(connect)
    said = run("dead", "replay", "--reason", "unreadable", "--yes")

    assert (refused.code, before) == (1, ["dead"] * 3)
    assert "Replay 2 dead letters?" in refused.err
    assert told.out == "Replayed would be 2 dead letters.\n"
    assert said.out == "Replayed 2 dead letters.\n"
    assert states(connect) == ["pending", "dead", "pending"]


def test_dropping_asks_first(run: Run, connect: Connect, letters: list[str]) -> None:
    refused = run("dead", "drop", letters[0], given="n\n")
    agreed = run("dead", "drop", letters[0], "--yes", "--json")

    assert refused.code == 1
    assert agreed.json == {"dropped": 1}
    assert len(states(connect)) == 2
    assert run("dead", "drop", "--all", "--yes", "--json").json == {"dropped": 2}


@pytest.mark.parametrize(
    "words",
    [
        ("show", "1"),
        ("show", "event:x"),
        ("show", "event:999999999"),
        ("show", "event:99999999999999999999"),
        ("replay",),
        ("replay", "event:999999999"),
        ("drop", "event:1", "--all", "--yes"),
        ("list", "--after", "1"),
    ],
)
def test_what_is_no_dead_letter_is_wrong_use(run: Run, words: tuple[str, ...]) -> None:
    said = run("dead", *words)

    assert said.code == 2
    assert said.err.startswith("hopfleet: ")
