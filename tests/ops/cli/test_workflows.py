"""`hopfleet workflows`: added, listed, shown, changed, switched; nothing stored that is wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run

BLEEDS = """\
name: Pause what bleeds
trigger: {type: scheduled, cron: "0 9 * * 1-5", timezone: Europe/Berlin, catch_up: once}
conditions: ['campaign.status == "active"', 'stats.day.refund_rate > 0.2']
actions:
  - set_campaign_status: {campaign: "{{ campaign.id }}", status: paused}
  - record_note: {text: "paused {{ campaign.name }}"}
  - http_request: {url: "https://example.com/hook", json: {campaign: "{{ campaign.name }}"}}
"""
HOOK = """\
name: On a call
trigger: {type: event, event: hook}
actions: [{record_note: {text: called}}]
"""
MANUAL = """\
name: By hand
trigger: {type: manual}
actions: [{record_note: {text: done}}]
"""


@pytest.fixture
def owner(connect: Connect) -> Made:
    return make.user(connect(), email="ada@example.com")


def _add(run: Run, text: str, *words: str) -> Any:
    said = run("workflows", "add", "-", "--user", "ada@example.com", "--json", *words, given=text)
    assert said.code == 0, said.err
    return said.json


def _rows(connect: Connect, columns: str) -> list[Any]:
    return connect().execute(f"SELECT {columns} FROM workflows ORDER BY created_at").fetchall()


def test_a_file_becomes_an_active_workflow_that_knows_its_next_time(
    run: Run, connect: Connect, owner: Made, tmp_path: Path
) -> None:
    file = tmp_path / "bleeds.yaml"
    file.write_text(BLEEDS)

    said = run("workflows", "add", str(file), "--user", "ada@example.com", "--json")

    assert said.code == 0, said.err
    assert list(said.json) == ["id", "version", "next_run_at", "hook_url"]
    assert (said.json["version"], said.json["hook_url"]) == (1, None)
    due = datetime.fromisoformat(said.json["next_run_at"])
    assert said.json["next_run_at"].endswith("Z")
    assert due > datetime.now(UTC)
    columns = "id::text, user_id, name, trigger_type, trigger_config->>'cron', status, next_run_at"
    assert _rows(connect, columns) == [
        (
            said.json["id"], owner["id"], "Pause what bleeds", "scheduled", "0 9 * * 1-5",
            "active", due,
        )
    ]  # fmt: skip


def test_a_draft_has_no_next_time_until_it_is_enabled(
    run: Run, connect: Connect, owner: Made
) -> None:
    made = _add(run, BLEEDS, "--draft")

    enabled = run("workflows", "enable", made["id"], "--json").json

    assert made["next_run_at"] is None
    assert enabled["status"] == "active"
    assert enabled["next_run_at"] is not None


def test_a_hook_tells_its_address_and_another_one_ends_it(run: Run, owner: Made) -> None:
    made = _add(run, HOOK)

    changed = run("workflows", "set", made["id"], "--rotate-hook", "--json").json

    assert "/hooks/" in made["hook_url"]
    assert "/hooks/" in changed["hook_url"]
    assert changed["hook_url"] != made["hook_url"]
    assert changed["version"] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BLEEDS.replace("text:", "txt:"), ("actions.1.record_note.txt", "line 6")),
        (BLEEDS.replace("record_note", "record_not"), ("line 6", "did you mean record_note")),
        (BLEEDS.replace("0 9 *", "61 9 *"), ("trigger.cron", "line 2")),
        (BLEEDS.replace("campaign.status ==", "campain.status =="), ("conditions", "line 3")),
        (BLEEDS.replace("Europe/Berlin", "Europe/Berlim"), ("trigger.timezone", "line 2")),
        (BLEEDS.replace("conditions", "condition"), ("condition", "line 3")),
        (MANUAL.replace("type: manual", "type: scheduled, at: 2020-01-01"), ("is over",)),
        ("name: x\nname: y\n", ("name", "line 2", "twice")),
        ("a: &x 1\nb: *x\n", ("line 2", "*x")),
        ("", ("no list of fields",)),
        ("[1", ("line", "YAML")),
    ],
)
def test_what_is_wrong_is_told_by_field_and_line_and_not_stored(
    run: Run, connect: Connect, owner: Made, text: str, words: tuple[str, ...]
) -> None:
    said = run("workflows", "add", "-", "--user", "ada@example.com", given=text)

    assert said.code == 2
    assert [word for word in words if word not in said.err] == []
    assert said.err.count("\n") == 1
    assert _rows(connect, "id") == []


def test_what_is_no_file_is_said_in_a_sentence(run: Run, owner: Made, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\x00\xff\xfe\x00" * 100)
    huge = tmp_path / "huge"
    huge.write_text("x" * 300_000)

    for file, words in (
        (tmp_path / "missing", "No such file"),
        (tmp_path, "folder"),
        (binary, "UTF-8"),
        (huge, "256 kB"),
    ):
        said = run("workflows", "add", str(file), "--user", "ada@example.com")

        assert said.code == 2
        assert words in said.err
        assert said.err.count("\n") == 1


def test_workflows_are_listed_with_what_is_wrong_with_them(
    run: Run, connect: Connect, owner: Made
) -> None:
    _add(run, BLEEDS)
    made = _add(run, MANUAL)
    _add(run, HOOK, "--draft")
    make.workflow(connect(), make.user(connect())["id"])
    connect().execute(
        "UPDATE workflow_states SET problem = 'it broke' WHERE workflow_id = %s", (made["id"],)
    )

    listed = run("workflows", "list", "--user", "ada@example.com", "--json").json
    drafts = run("workflows", "list", "--status", "draft", "--user", "ada@example.com").out
    first = run("workflows", "list", "--limit", "1", "--json").json
    rest = run("workflows", "list", "--after", first["next"], "--json").json

    assert [one["name"] for one in listed["items"]] == ["On a call", "By hand", "Pause what bleeds"]
    assert [one["problem"] for one in listed["items"]] == [None, "it broke", None]
    assert listed["items"][2]["runs"] == "weekdays at 09:00, Europe/Berlin"
    assert "On a call" in drafts
    assert "By hand" not in drafts
    assert len(rest["items"]) == 3


def test_empty_lists_say_how_to_begin(run: Run, owner: Made) -> None:
    made = _add(run, MANUAL)

    runs = run("workflows", "runs", made["id"])

    assert "workflows add" in run("workflows", "list", "--user", "ada@example.com",
                                  "--status", "paused").err  # fmt: skip
    assert "workflows run" in runs.err
    assert run("workflows", "runs", made["id"], "--json").json == []


def test_a_new_definition_is_a_new_version_and_keeps_the_next_time_unless_the_trigger_changed(
    run: Run, connect: Connect, owner: Made
) -> None:
    made = _add(run, BLEEDS)
    other = BLEEDS.replace("paused {{", "stopped {{")
    moved = other.replace("0 9", "0 10")

    same = run("workflows", "set", made["id"], "-", "--json", given=other).json
    later = run("workflows", "set", made["id"], "-", "--json", given=moved).json
    named = run("workflows", "set", made["id"], "--name", "Stop it", "--json").json

    assert (same["version"], same["next_run_at"]) == (2, made["next_run_at"])
    assert later["version"] == 3
    assert later["next_run_at"] != made["next_run_at"]
    assert (named["version"], named["next_run_at"]) == (4, later["next_run_at"])
    assert _rows(connect, "name, status") == [("Stop it", "active")]


def test_a_wrong_definition_changes_nothing(run: Run, connect: Connect, owner: Made) -> None:
    made = _add(run, BLEEDS)

    said = run("workflows", "set", made["id"], "-", given=BLEEDS.replace("0 9", "0 99"))

    assert said.code == 2
    assert _rows(connect, "trigger_config->>'cron'") == [("0 9 * * 1-5",)]


def test_a_paused_one_has_no_next_time_and_comes_back_with_a_new_one(
    run: Run, connect: Connect, owner: Made
) -> None:
    made = _add(run, BLEEDS)

    paused = run("workflows", "pause", made["id"], "--json").json
    again = run("workflows", "enable", made["id"], "--json").json

    assert paused == {"id": made["id"], "status": "paused", "next_run_at": None}
    assert again["next_run_at"] == made["next_run_at"]


def test_what_somebody_wrote_by_sql_is_enabled_only_when_it_can_run(
    run: Run, connect: Connect, owner: Made
) -> None:
    made = make.workflow(connect(), owner["id"], trigger_type="never", status="paused")

    said = run("workflows", "enable", str(made["id"]))

    assert said.code == 2
    assert "trigger.type" in said.err
    assert _rows(connect, "status") == [("paused",)]
    assert "cannot be read" in run("workflows", "show", str(made["id"])).out


def test_a_workflow_is_named_by_id_digits_or_name(run: Run, owner: Made) -> None:
    made = _add(run, MANUAL)

    for which in (made["id"], made["id"][:13], made["id"].upper(), "By hand"):
        assert run("workflows", "show", which, "--json").json["id"] == made["id"]


def test_what_is_nobodys_or_several_is_said(run: Run, connect: Connect, owner: Made) -> None:
    for _ in range(2):
        _add(run, MANUAL)

    several = run("workflows", "pause", "By hand")
    nobody = run("workflows", "pause", str(uuid4()))

    assert (several.code, nobody.code) == (2, 2)
    assert "several workflows" in several.err
    assert "There is no workflow" in nobody.err
    assert run("workflows", "show", "%' OR 1=1 --").code == 2


def test_show_tells_the_definition_the_next_times_and_the_last_runs(
    run: Run, connect: Connect, owner: Made
) -> None:
    made = _add(run, BLEEDS)
    run("workflows", "run", made["id"])

    shown = run("workflows", "show", made["id"])
    facts = run("workflows", "show", made["id"], "--json").json

    assert "weekdays at 09:00, Europe/Berlin" in shown.out
    assert "record_note" in shown.out
    assert "09:00:00 Europe/Berlin" in shown.out
    assert len(facts["next"]) == 5
    assert facts["next"][0] == made["next_run_at"]
    assert facts["definition"]["trigger"]["cron"] == "0 9 * * 1-5"
    assert [one["state"] for one in facts["last_runs"]] == ["pending"]


def test_a_run_by_hand_is_listed_and_can_be_cancelled(
    run: Run, connect: Connect, owner: Made
) -> None:
    made = _add(run, MANUAL, "--draft")

    number = run("workflows", "run", made["id"], "--input", '{"a": 1}', "--json").json["run"]
    listed = run("workflows", "runs", made["id"], "--json").json
    cancelled = run("workflows", "cancel", number, "--json").json

    assert [(one["id"], one["state"], one["outcome"], one["steps"]) for one in listed] == [
        (number, "pending", None, [])
    ]
    assert cancelled == {"run": number, "cancelled": True}
    row = connect().execute("SELECT trigger, input, cancel, ready FROM workflow_runs").fetchone()
    assert row == ("manual", {"input": {"a": 1}}, True, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("cancel", "99"), "There is no run 99"),
        (("cancel", "x"), "is no run"),
        (("run", "By hand", "--input", "{"), "--input is no JSON"),
        (("run", "By hand", "--input", "[1]"), "no JSON object"),
        (("run", "By hand", "--campaign", "theirs"), "another user's"),
        (("runs", "By hand", "--after", "x"), "is no run"),
        (("runs", "By hand", "--since", "x"), "is no time"),
        (("set", "By hand"), "Nothing to set"),
        (("set", "By hand", "--rotate-hook"), "no hook"),
        (("list", "--status", "x"), "--status"),
        (("list", "--user", "nobody@example.com"), "no user"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(
    run: Run, connect: Connect, owner: Made, words: tuple[str, ...], sentence: str
) -> None:
    make.campaign(connect(), tracking_id="theirs")
    _add(run, MANUAL)

    said = run("workflows", *words)

    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_runs_are_listed_newest_first_page_by_page(run: Run, owner: Made) -> None:
    made = _add(run, MANUAL)
    numbers = [run("workflows", "run", made["id"], "--json").json["run"] for _ in range(3)]

    first = run("workflows", "runs", made["id"], "--limit", "2", "--json")
    rest = run("workflows", "runs", made["id"], "--after", first.json[-1]["id"], "--json").json

    assert [one["id"] for one in first.json] == numbers[:0:-1]
    assert f"--after {numbers[1]}" in first.err
    assert [one["id"] for one in rest] == numbers[:1]
    assert run("workflows", "runs", made["id"], "--failed", "--json").json == []
    assert len(run("workflows", "runs", made["id"], "--since", "1h", "--json").json) == 3


def test_a_database_that_is_away_is_said_in_a_sentence(
    run_anywhere: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from base.settings import settings

    monkeypatch.setenv("HOPFLEET_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/none")
    settings.cache_clear()
    said = run_anywhere("workflows", "list")
    monkeypatch.undo()
    settings.cache_clear()

    assert said.code == 1
    assert "cannot be used" in said.err
    assert "hunter2" not in said.err
