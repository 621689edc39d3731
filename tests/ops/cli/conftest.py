"""Commands run in this process by the same `main` that the program starts with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from ops import cli
from tests.journal import putting


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return orjson.loads(self.out)


Run = Callable[..., Said]


def _run(*words: str, given: str = "") -> Said:
    """Run `hopfleet WORDS…` with `given` on standard input."""
    with CliRunner().isolation(given) as (out, err, _):
        code = 0
        try:
            cli.main(list(words))
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        return Said(code, out.getvalue().decode(), err.getvalue().decode())


@pytest.fixture
def journal_url(journal_url: str) -> str:
    """The address of the durable Valkey, without what other tests left in it."""
    putting.empty()
    return journal_url


@pytest.fixture
def run(database: str) -> Run:
    """Runs a command against this test's database."""
    return _run


@pytest.fixture
def run_anywhere() -> Run:
    """Runs a command against whatever the settings say."""
    return _run
