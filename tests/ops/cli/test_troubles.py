"""Foreseeable trouble is one sentence on standard error and an exit code, never a traceback."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from base.settings import settings
from ops import cli
from ops.local.ports import free_port
from tests.ops.cli.conftest import Run

COMMANDS = [
    ("users", "list"),
    ("keys", "list"),
    ("campaigns", "list"),
    ("links", "x"),
    ("events", "tail"),
    ("events", "import", "/dev/null", "--tracking-id", "x"),
    ("queues",),
    ("dead", "list"),
    ("conversions", "list"),
    ("conversions", "show", "x"),
    ("webhooks", "list"),
    ("seed", "--events", "1"),
    ("users", "delete", "ada@example.com", "--yes"),
]


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Sets environment variables; the settings are read anew before and after."""
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_database_that_is_away_is_told_at_once(
    run_anywhere: Run, point: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    address = f"localhost:{free_port()}"
    point.setenv("HOPFLEET_DATABASE_URL", f"postgresql://ada:hush@{address}/x")

    said = run_anywhere(*words)

    assert said.code == 1
    assert said.err.startswith(f"hopfleet: PostgreSQL at {address}/x cannot be used (Connection")
    assert "hopfleet up" in said.err
    assert "hush" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_address_at_all_is_wrong_use(
    run_anywhere: Run, point: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    point.delenv("HOPFLEET_DATABASE_URL", raising=False)

    said = run_anywhere(*words)

    assert said.code == 2
    assert "HOPFLEET_DATABASE_URL is not set" in said.err


def test_a_database_that_was_never_migrated_is_told(
    run_anywhere: Run, point: pytest.MonkeyPatch, scratch: str
) -> None:
    point.setenv("HOPFLEET_DATABASE_URL", scratch)

    said = run_anywhere("users", "list")

    assert said.code == 1
    assert "run `hopfleet migrate`" in said.err


@pytest.mark.parametrize("address", ["nonsense", "mysql://host/x"])
def test_an_address_that_is_none_is_told(
    run_anywhere: Run, point: pytest.MonkeyPatch, address: str
) -> None:
    point.setenv("HOPFLEET_DATABASE_URL", address)

    said = run_anywhere("users", "list")

    assert said.code == 1
    assert "postgresql://user:password@host:5432/database" in said.err


def test_a_setting_that_does_not_fit_is_named_without_its_value(
    run_anywhere: Run, point: pytest.MonkeyPatch
) -> None:
    point.setenv("HOPFLEET_POOL_MAX", "hush")

    said = run_anywhere("users", "list")

    assert said.code == 2
    assert "HOPFLEET_POOL_MAX" in said.err
    assert "hush" not in said.err


def test_every_command_is_listed_and_has_a_help(run_anywhere: Run) -> None:
    listed = run_anywhere("--help").out

    for noun in cli.NOUNS:
        assert f"\n  {noun} " in listed
        assert run_anywhere(noun, "--help").code == 0
    assert run_anywhere("nonsense").code == 2


def test_a_closed_pipe_is_no_trouble(run: Run) -> None:
    run("users", "add", "--email", "ada@example.com")
    with subprocess.Popen(
        [sys.executable, "-m", "ops", "users", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    "words", [("campaigns", "show", "\udcff"), ("products", "sync", "--url", "https://x/\udcff")]
)
def test_an_argument_that_is_no_text_is_wrong_use(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words)

    assert said.code == 2
    assert "'" in said.err
    assert "is not text in UTF-8" in said.err
