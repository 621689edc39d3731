"""Folders for servers, gone with the test."""

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
