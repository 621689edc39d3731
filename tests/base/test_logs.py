"""Logs: whatever is said, one JSON object a line."""

import json
import subprocess
import sys
from typing import Any

from tests.reading import ROOT

PRELUDE = "from base.logs import configure, log; configure('info', 'testing');"


def lines(program: str) -> list[dict[str, Any]]:
    """What a process of ours that runs `program` logs, line by line."""
    ran = subprocess.run(
        [sys.executable, "-c", PRELUDE + program],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert ran.stdout == b""
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_a_line_is_a_fact_with_its_keys() -> None:
    (line,) = lines("log().info('conversion.recorded', click_id='c1', items=3)")

    at = line.pop("at")
    assert at.endswith("Z")
    assert line == {
        "event": "conversion.recorded", "click_id": "c1", "items": 3, "level": "info",
        "process": "testing",
    }  # fmt: skip


def test_line_breaks_of_strangers_make_no_new_line() -> None:
    text = 'one\\r\\ntwo\\n{\\"event\\":\\"forged\\"}\\u2028\\x1b[31m\\0'

    (line,) = lines(f'log().warning("door.refused", reason="{text}")')

    assert line["reason"].startswith("one\r\ntwo\n")


def test_an_exception_is_part_of_its_line() -> None:
    program = "\ntry:\n  1/0\nexcept ZeroDivisionError:\n  log().exception('door.failed')"

    (line,) = lines(program)

    assert "ZeroDivisionError: division by zero" in line["exception"]
    assert line["level"] == "error"


def test_what_is_no_json_is_said_all_the_same() -> None:
    program = (
        "from pathlib import Path; from decimal import Decimal;"
        "log().info('things.said', path=Path('/x'), money=Decimal('1.50'), raw=b'\\xff',"
        " huge=2**70, half='\\ud800', nested={1: {2}})"
    )

    (line,) = lines(program)

    assert line["event"] == "things.said"
    assert line["money"] == "1.50"
    assert str(2**70) in str(line["huge"])


def test_other_libraries_speak_the_same_way_from_warnings_up() -> None:
    program = (
        "import logging; logging.getLogger('some.library').info('no');"
        "logging.getLogger('some.library').warning('late by %s', 5)"
    )

    (line,) = lines(program)

    assert line["event"] == "late by 5"
    assert line["process"] == "testing"


def test_a_level_below_the_chosen_one_is_silent() -> None:
    assert lines("log().debug('too.small')") == []


def test_bound_facts_are_in_every_line_that_follows() -> None:
    bound = "import structlog; structlog.contextvars.bind_contextvars(message_id='m1');"

    first, second = lines(bound + "log().info('a.b'); log().info('c.d')")

    assert first["message_id"] == second["message_id"] == "m1"


def test_a_library_that_says_the_same_again_and_again_is_heard_once() -> None:
    (found, other) = lines(
        "import logging; it, another = map(logging.getLogger, ('one', 'two'));"
        "[it.critical('no %s', 'broker') for _ in range(20)]; another.critical('no broker')"
    )

    assert found["event"] == other["event"] == "no broker"
