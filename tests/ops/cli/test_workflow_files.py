"""Definitions as files: exported and taken back, the examples, the JSON Schema, secrets."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml

from ops.cli.workflow_export import examples
from rules import definitions
from schemas.definitions import parse
from schemas.workflow_schema import of_file
from tests import make
from tests.conftest import Connect
from tests.make import Made
from tests.ops.cli.conftest import Run
from tests.ops.cli.test_workflows import BLEEDS, HOOK, MANUAL

RICH = """\
name: "on: 12:30 - ünïcode"
trigger: {type: event, event: click, where: ['event.sub1 == "no"'], batch: 100, batch_seconds: 60}
conditions: {any: ["campaign.status == 'active'", {not: 'stats.day.clicks > 5'}]}
actions:
  - name: first
    if: stats.hour.clicks > 1
    http_request:
      url: https://example.com/
      json: {"on": "yes", "time": "12:30", "n": 1.5, "k": "010", "e": "1e3", "": null}
    on_error: [{record_note: {text: "multi\\nline: # no comment\\n"}}]
    retry: {attempts: 2, seconds: 1.0}
  - branch:
      if: ['steps.first.status == 200']
      then: [{name: inner, wait: {hours: 1}}]
      else: [{for_each: {items: [1, "2"], do: [{record_note: {text: "{{ item }}"}}]}}]
  - sync_products: {}
settings: {pause_after_failures: 3, on_error: [{notify: {text: failed}}]}
"""


@pytest.fixture
def owner(connect: Connect) -> Made:
    return make.user(connect(), email="ada@example.com")


def _add(run: Run, text: str) -> Any:
    said = run("workflows", "add", "-", "--user", "ada@example.com", "--json", given=text)
    assert said.code == 0, said.err
    return said.json


@pytest.mark.parametrize("text", [BLEEDS, HOOK, MANUAL, RICH], ids=["b", "h", "m", "rich"])
def test_an_export_added_again_is_the_same_definition(
    run: Run, connect: Connect, owner: Made, text: str
) -> None:
    made = _add(run, text)

    exported = run("workflows", "export", made["id"])
    _add(run, exported.out)
    _add(run, run("workflows", "export", made["id"], "--json").out)

    rows = connect().execute(
        "SELECT DISTINCT name, trigger_type, trigger_config, conditions, actions FROM workflows"
    )
    assert len(rows.fetchall()) == 1
    assert run("workflows", "set", made["id"], "-", "--json", given=exported.out).json == made


def test_the_examples_are_listed_printed_and_can_be_added(run: Run, owner: Made) -> None:
    listed = run("workflows", "export", "--json").json

    assert [one["name"] for one in listed["items"]] == examples()
    assert len(examples()) >= 2
    for name in examples():
        printed = run("workflows", "export", "--example", name)
        assert _add(run, printed.out)["version"] == 1
        assert run("workflows", "export", "--example", name, "--json").json["actions"]
    assert "take one of" in run("workflows", "export", "--example", "x").err


def _schema() -> Any:
    return jsonschema_rs.validator_for(of_file())


def test_the_schema_takes_what_add_takes(run: Run) -> None:
    schema = _schema()
    shipped = [run("workflows", "export", "--example", name).out for name in examples()]

    for text in (BLEEDS, HOOK, MANUAL, RICH, *shipped):
        assert list(schema.iter_errors(_plain(text))) == []
    assert run("workflows", "schema").json == of_file()
    assert run("schema", "workflow").json == of_file()


def _plain(text: str) -> Any:
    written = parse(text)
    definitions.read(*written[:5])  # what a test takes for right is right
    return orjson.loads(orjson.dumps(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("text:", "txt:"),
        ("record_note", "record_not"),
        ("status: paused", "status: pausd"),
        ("catch_up: once", "catch_up: twice"),
        ("conditions", "condition"),
        ("type: scheduled, cron", "type: scheduled, kron"),
        ("type: scheduled", "type: event, event: clck"),
    ],
)
def test_the_schema_refuses_what_add_refuses(before: str, after: str) -> None:
    wrong = yaml.safe_load(BLEEDS.replace(before, after))

    assert not _schema().is_valid(wrong)


def test_a_secret_is_kept_listed_and_deleted_and_its_value_never_shown(
    run: Run, connect: Connect, owner: Made
) -> None:
    words = ("workflows", "secrets")
    user = ("--user", "ada@example.com")

    kept = run(*words, "set", "token", *user, given="s3cret-canary\n")
    again = run(*words, "set", "token", *user, "--json", given="s3cret-canary-2")
    listed = run(*words, "list", *user, "--json")
    shown = run(*words, "list", *user)
    deleted = run(*words, "delete", "token", *user, "--json")

    assert again.json == {"name": "token", "new": False}
    assert [one["name"] for one in listed.json["items"]] == ["token"]
    assert deleted.json == {"name": "token", "deleted": True}
    everything = "".join(one.out + one.err for one in (kept, again, listed, shown, deleted))
    assert "canary" not in everything
    assert run(*words, "delete", "token", *user).code == 2
    assert "secrets set" in run(*words, "list", *user).err


@pytest.mark.parametrize("name", ["token=s3cret-canary", "", "a b", "x" * 101])
def test_a_name_that_is_none_is_not_repeated(run: Run, owner: Made, name: str) -> None:
    said = run("workflows", "secrets", "set", name, "--user", "ada@example.com", given="v")

    assert said.code == 2
    assert "canary" not in said.err


@pytest.mark.parametrize("value", ["", "\n", "x" * 20_000])
def test_a_value_that_is_none_is_refused(
    run: Run, connect: Connect, owner: Made, value: str
) -> None:
    said = run("workflows", "secrets", "set", "n", "--user", "ada@example.com", given=value)

    assert said.code == 2
    assert connect().execute("SELECT count(*) FROM workflow_secrets").fetchone() == (0,)


def test_the_readmes_example_can_be_added(run: Run, owner: Made) -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text()

    assert _add(run, text.partition("```yaml\n")[2].partition("```")[0])["version"] == 1
