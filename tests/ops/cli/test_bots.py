"""`hopfleet bots`: rules are made, shown, explained and forgotten."""

from pathlib import Path

import pytest

from db import bot_rules
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


def test_a_rule_explains_itself_until_it_is_removed(run: Run) -> None:
    rule = run("bots", "add", "--agent", "Acme", "--json").json["id"]
    named = run("bots", "test", "--agent", "acme checker", "--json").json
    listed = run("bots", "list", "--json").json["items"]
    run("bots", "remove", rule)

    assert named == {"bot": "own_list", "by": "own rules"}
    assert [(one["kind"], one["pattern"]) for one in listed] == [("agent", "Acme")]
    assert run("bots", "test", "--agent", "acme checker", "--json").json["bot"] is None
    assert run("bots", "remove", rule).code == 2


def test_a_users_person_is_a_bot_for_others(run: Run, connect: Connect) -> None:
    user = make.user(connect())
    run("bots", "add", "--agent", "curl", "--person", "--user", user["email"])

    theirs = run("bots", "test", "--agent", "curl/8", "--user", user["email"])
    others = run("bots", "test", "--agent", "curl/8")

    assert theirs.out == "A person, by own rules.\n"
    assert others.out == "A bot: tool, by the built-in list.\n"


def test_a_file_of_ranges_takes_the_place_of_the_one_before(
    run: Run, connect: Connect, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("198.51.100.0/24\n")
    second.write_text("# ours\n203.0.113.0/24 # a data centre\n\n192.0.2.7\n2001:db8::/32\n")
    run("bots", "load", str(first))

    said = run("bots", "load", str(second), "--json").json

    assert said == {"loaded": 2, "skipped": 1}
    assert [row[2] for row in bot_rules.read(connect())] == ["2001:db8::/32", "203.0.113.0/24"]
    assert run("bots", "test", "--ip", "203.0.113.9", "--json").json["bot"] == "known_range"
    assert run("bots", "load", str(tmp_path / "none")).code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["add"], ["add", "--agent", "a", "--network", "10.0.0.0/8"], ["add", "--pattern", "("],
        ["add", "--network", "10.0.0.1"], ["remove", "x"], ["test"], ["test", "--ip", "x"],
    ],
)  # fmt: skip
def test_wrong_use_is_told(run: Run, words: list[str]) -> None:
    assert run("bots", *words).code == 2
