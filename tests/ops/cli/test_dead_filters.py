"""`hopfleet dead`: which letters are meant, how they are counted, and how one is put right."""

import json
from pathlib import Path
from typing import Any

import pytest

from db import held
from db.held import dead_item
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run, Said


@pytest.fixture
def campaign(connect: Connect) -> dict[str, Any]:
    """A campaign, whose user may have dead letters."""
    return make.campaign(connect(), tracking_id="spring")


@pytest.fixture
def letters(connect: Connect, campaign: dict[str, Any]) -> list[str]:
    """Addresses: a click of the campaign, a conversion of its user, and one from two days ago."""
    session = connect()
    user = str(campaign["user_id"])
    item = {"id": make.batch_id(), "type": "click", "user": user, "meta": {"note": "a\0b"}}
    held.hold(
        session,
        [
            dead_item(
                "clicks", make.batch_id(), 0, item | {"campaign": str(campaign["id"])},
                "refused_22P05", "unsupported Unicode escape sequence",
            ),
            dead_item(
                "conversions", make.batch_id(), 0, item | {"type": "conversion"},
                "no_partition", "no partition of relation found",
            ),
            dead_item("clicks", make.batch_id(), 0, 7, "unreadable", "it is no object"),
        ],
    )  # fmt: skip
    rows = session.execute("SELECT id FROM held_events ORDER BY id").fetchall()
    session.execute(
        "UPDATE held_events SET created_at = now() - '2 days'::interval WHERE id = %s", rows[2]
    )
    return [f"event:{row[0]}" for row in rows]


def shown(said: Said) -> list[str]:
    return [item["address"] for item in said.json["items"]]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["--kind", "conversions"], [1]),
        (["--queue", "clicks"], [2, 0]),
        (["--campaign", "spring"], [0]),
        (["--error", "PARTITION"], [1]),
        (["--error", "100%"], []),
        (["--since", "1h"], [1, 0]),
        (["--to", "1d"], [2]),
        (["--since", "3d", "--to", "1d"], [2]),
        (["--kind", "clicks", "--reason", "no_partition"], []),
        (["--noun", "purge"], []),
    ],
)
def test_letters_are_found_by_what_was_wrong(
    run: Run, letters: list[str], words: list[str], places: list[int]
) -> None:
    assert shown(run("dead", "list", "--json", *words)) == [letters[place] for place in places]


def test_letters_are_found_by_their_user(
    run: Run, letters: list[str], campaign: dict[str, Any]
) -> None:
    said = run("dead", "list", "--user", str(campaign["user_id"]), "--json")

    assert shown(said) == [letters[1], letters[0]]
    assert run("dead", "list", "--user", "nobody@example.com").code == 2


def test_a_filter_that_means_nothing_is_refused_in_a_sentence(run: Run, letters: list[str]) -> None:
    for words in (["--since", "soon"], ["--by", "colour"], ["--noun", "ghost"]):
        said = run("dead", "list", *words)

        assert said.code == 2
        assert said.err.startswith("hopfleet: ")


def test_letters_are_summed_up_by_reason(run: Run, letters: list[str]) -> None:
    [first, *_] = rows = run("dead", "list", "--by", "kind", "--json").json["items"]

    assert (first["noun"], first["kind"], first["count"]) == ("event", "clicks", 2)
    assert len(rows) == 2
    assert "no_partition" in run("dead", "list", "--by", "reason").out


def test_a_letter_whose_campaign_is_no_id_hides_no_other(
    run: Run, connect: Connect, letters: list[str]
) -> None:
    item = {"id": make.batch_id(), "type": "click", "user": "nobody", "campaign": "spring"}
    held.hold(connect(), [dead_item("clicks", make.batch_id(), 0, item, "unreadable")])

    rows = run("dead", "list", "--json").json["items"]

    assert [row["address"] for row in rows[1:]] == [*reversed(letters)]
    assert rows[0]["campaign_id"] is None
    assert len(run("dead", "list", "--by", "campaign", "--json").json["items"]) == 2
    assert shown(run("dead", "list", "--campaign", "spring", "--json")) == [letters[0]]


def test_only_so_many_of_those_meant_are_dropped(
    run: Run, connect: Connect, letters: list[str]
) -> None:
    said = run("dead", "drop", "--kind", "clicks", "--limit", "1", "--yes", "--json")

    assert said.json == {"dropped": 1}
    assert shown(run("dead", "list", "--json")) == [letters[1], letters[0]]


def test_many_letters_are_replayed_page_by_page(run: Run, connect: Connect) -> None:
    held.hold(
        connect(),
        [dead_item("clicks", make.batch_id(), 0, {}, "test") for _ in range(2_300)],
    )

    assert run("dead", "replay", "--all", "--yes", "--json").json == {"replayed": 2_300}


def test_dead_rows_of_other_tables_have_addresses_of_their_own(run: Run, connect: Connect) -> None:
    row = make.insert(
        connect(), "purges",
        {"noun": "user", "key": make.user(connect())["id"], "state": "dead", "reason": "test"},
    )  # fmt: skip
    address = f"purge:{row['id']}"

    assert shown(run("dead", "list", "--json")) == [address]
    assert run("dead", "show", address, "--json").json["reason"] == "test"
    assert run("dead", "edit", address, "--set", "a=b").code == 2
    assert run("dead", "replay", address, "--json").json == {"replayed": 1}


def test_one_field_of_an_item_is_put_right_and_tried_again(
    run: Run, connect: Connect, letters: list[str]
) -> None:
    said = run(
        "dead", "edit", letters[0], "--set", "meta.note=clean", "--set", "source=mail", "--replay"
    )
    again = run("dead", "edit", letters[1], "--set", "meta.n=5", "--json").json["item"]

    assert said.out == f"Changed {letters[0]}, which is tried again.\n"
    row = connect().execute("SELECT state, item, original FROM held_events ORDER BY id").fetchone()
    assert row is not None
    assert row[0] == "pending"
    assert json.loads(row[1])["meta"] == {"note": "clean"}
    assert json.loads(row[1])["source"] == "mail"
    assert json.loads(row[2])["meta"] == {"note": "a\0b"}
    assert again["meta"] == {"note": "a\0b", "n": 5}


def test_an_edit_keeps_what_first_came(run: Run, letters: list[str]) -> None:
    run("dead", "edit", letters[0], "--set", "meta.note=one")
    run("dead", "edit", letters[0], "--set", "meta.note=two")

    told = run("dead", "show", letters[0], "--json").json

    assert (told["item"]["meta"], told["original"]["meta"]) == ({"note": "two"}, {"note": "a\0b"})


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "id=7"], ["--set", "user=nobody"], ["--set", "type=party"],
        ["--set", "amount=much"], ["--set", "no.such.path=1"], ["--set", "door=r"],
        ["--file", "-"], ["--file", "/no/such/file"],
    ],
)  # fmt: skip
def test_what_cannot_be_an_item_is_refused_and_nothing_changes(
    run: Run, letters: list[str], words: list[str]
) -> None:
    before = run("dead", "show", letters[0], "--json").json

    said = run("dead", "edit", letters[0], *words, given="{broken")

    assert said.code == 2
    assert run("dead", "show", letters[0], "--json").json == before


def test_an_item_is_edited_in_the_editor_of_the_person(
    run: Run, letters: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/"click"/"view"/\' "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)

    run("dead", "edit", letters[0])

    assert run("dead", "show", letters[0], "--json").json["item"]["type"] == "view"


def test_a_whole_item_comes_from_a_file(run: Run, letters: list[str], tmp_path: Path) -> None:
    item = run("dead", "show", letters[0], "--json").json["item"] | {"source": "file"}
    (tmp_path / "item.json").write_text(json.dumps(item))

    run("dead", "edit", letters[0], "--file", str(tmp_path / "item.json"))

    assert run("dead", "show", letters[0], "--json").json["item"]["source"] == "file"
