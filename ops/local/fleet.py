"""The processes of ours that `up` runs beside the stores, and in which order they stop."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from base.settings import Settings


@dataclass(frozen=True)
class Program:
    """A process of ours: `stops` is when it is told to, lower first."""

    name: str
    argv: tuple[str, ...]
    stops: int
    grace_seconds: float


@dataclass(frozen=True)
class Fleet:
    """What runs, what prepares the database each time, and what fills it the first time."""

    programs: tuple[Program, ...]  # one of them is called `ingest` and serves the doors
    migrate: tuple[str, ...]
    demo: tuple[str, ...]

    def sessions(self, chosen: Settings) -> int:
        """How many database sessions all programs together may open."""
        return sum(chosen.sessions(program.name) for program in self.programs)


def _ours(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ops", *words)


# Doors first, so that nothing new comes in; what the workers have not finished stays in the
# journal. A worker ends within 5 s of being told.
_PROGRAMS = (
    Program("ingest", _ours("ingest"), stops=0, grace_seconds=2.5),
    # What comes in should be visible at once ...
    Program(
        "worker-events",
        _ours("worker", "clicks", "conversions", "--poll-ms", "200"),
        stops=1,
        grace_seconds=5.0,
    ),
    # ... the rest may wait a second, which keeps an idle machine idle.
    Program(
        "worker-rest",
        _ours(
            "worker", "webhooks", "bonuses", "workflows", "content", "products", "maintenance",
            "--poll-ms", "1000",
        ),
        stops=1,
        grace_seconds=5.0,
    ),
    Program("scheduler", _ours("scheduler"), stops=1, grace_seconds=5.0),
)  # fmt: skip

OURS = Fleet(_PROGRAMS, _ours("migrate"), (sys.executable, "-m", "ops.local.demo"))


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Our environment with `changes` to our settings: {"port": "9000"} sets HOPFLEET_PORT."""
    # Handed on, not read: the settings in it are read by base.settings in the child.
    return {**os.environ, **{f"HOPFLEET_{name.upper()}": text for name, text in changes.items()}}


def start(argv: tuple[str, ...], log: Path, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start a program of ours, in a session of its own: Ctrl-C is for the supervisor alone."""
    with log.open("ab") as out:
        return subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
