"""What a person reads when a server does not start."""

import errno
import os
from pathlib import Path

import pytest

from ops.local import reasons

FOLDER = Path("/data")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (
            "postgres: error while loading shared libraries: libz.so.1: cannot open",
            "install zlib1g",
        ),
        ("FATAL: could not write lock file: No space left on device", "disk that holds /data"),
        ("Could not create server TCP socket: bind: Address already in use", "port taken"),
        ("initdb: error: could not look up effective user ID 61234", "/etc/passwd"),
        ('could not open file "x": Permission denied', "choose another with --data-dir"),
        ("first\nsomething new\n\n", "something new"),
        ("", "no output"),
    ],
)
def test_each_known_trouble_has_a_sentence_that_says_what_to_do(output: str, says: str) -> None:
    sentence = reasons.why("PostgreSQL", "HOPFLEET_DATABASE_URL", output, FOLDER, FOLDER / "log")

    assert says in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOENT, "set HOPFLEET_DATABASE_URL"),
        (errno.EPERM, "ordinary user"),
        (errno.ENOSPC, "is full"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_program_that_cannot_be_started_has_one_too(number: int, says: str) -> None:
    error = OSError(number, os.strerror(number))

    sentence = reasons.of_system_error("PostgreSQL", "HOPFLEET_DATABASE_URL", error, FOLDER)

    assert says in sentence
