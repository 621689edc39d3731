"""Folders for servers, gone with the test."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.local.servers import forget


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that root's PostgreSQL, an unprivileged user, can pass through."""
    path = Path(tempfile.mkdtemp(prefix="hopfleet-test-"))
    path.chmod(0o711)
    yield path
    forget(path)


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting, as in a newcomer's shell: other tests point theirs at stores of their own."""
    for name in list(os.environ):
        if name.startswith("HOPFLEET_") and name != "HOPFLEET_PG_BINDIR":
            monkeypatch.delenv(name)
