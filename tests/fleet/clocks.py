"""Hosts whose clock is wrong: one program at a time sees another time than the rest."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fleet.fleet import Fleet
from tests.fleet.program import ROOT

_SOURCE = ROOT / "tests" / "data" / "clock_off.c"


def clock_off(folder: Path, seconds: int) -> dict[str, str]:
    """An environment in which the wall clock is off; skips where it cannot be made."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a clock that is off takes a C compiler")
    library = folder / "clock_off.so"
    if not library.exists():
        argv = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)]
        subprocess.run(argv, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "CLOCK_OFF_SECONDS": str(seconds)}


@contextmanager
def off(fleet: Fleet, name: str, seconds: int) -> Iterator[Mapping[str, str]]:
    """Run one program with a clock that is off, and with its own again afterwards."""
    environment = clock_off(fleet.folder, seconds)
    fleet.kill(name)
    fleet.start(name, environment=environment)
    yield environment
    fleet.kill(name)
    fleet.start(name)
