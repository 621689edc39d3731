"""One fleet for all tests here and of tests/hostile; after a failure the next gets a new one."""

from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest

from tests.fleet.fleet import PROGRAMS, Fleet
from tests.fleet.rounds import HEAD, Report
from tests.fleet.wired import Wired

_failed = pytest.StashKey[bool]()
_reports = pytest.StashKey[list[Report]]()
_LINES = 40
F = TypeVar("F", bound=Fleet)


class _Holder:
    """The fleets that stand, by class."""

    def __init__(self) -> None:
        self._fleets: dict[type[Fleet], Fleet] = {}

    def get(self, kind: type[F]) -> F:
        found = self._fleets.get(kind) or self._fleets.setdefault(kind, kind())
        assert isinstance(found, kind)
        return found

    def end(self, *kinds: type[Fleet]) -> None:
        for kind in kinds or tuple(self._fleets):
            self._fleets.pop(kind).end()


_one = _Holder()  # for all folders that import these fixtures


@pytest.fixture(scope="session")
def _holder() -> Iterator[_Holder]:
    yield _one
    _one.end()


def _lend(holder: _Holder, kind: type[F], request: pytest.FixtureRequest) -> Iterator[F]:
    lent = holder.get(kind)
    yield lent
    if request.node.stash.get(_failed, False):
        holder.end(kind)
        return
    for name, program in lent.programs.items():
        assert program.running() == (name in PROGRAMS), f"what has the test left of {name}?"
    lent.until_drained()


@pytest.fixture
def fleet(_holder: _Holder, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A whole Hopfleet that runs and has nothing to do; what a test kills it starts again."""
    yield from _lend(_holder, Fleet, request)


@pytest.fixture
def wired(_holder: _Holder, request: pytest.FixtureRequest) -> Iterator[Wired]:
    """The same with a proxy in each wire; what a test makes bad it makes good again."""
    yield from _lend(_holder, Wired, request)


@pytest.fixture(scope="session")
def reports(pytestconfig: pytest.Config) -> list[Report]:
    """What the long runs of faults measured; printed as a table at the end."""
    return pytestconfig.stash.setdefault(_reports, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if there is one; seconds, from the kill or from the fault's end."""
    if reports := terminalreporter.config.stash.get(_reports, []):
        terminalreporter.section("faults")
        for line in (HEAD, *(report.line() for report in reports)):
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes logged when a test fails."""
    report = yield
    given = getattr(item, "funcargs", {})
    found = given.get("fleet") or given.get("wired")
    if report.failed and isinstance(found, Fleet):
        item.stash[_failed] = True
        for log in sorted(found.folder.rglob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-_LINES:]
            report.sections.append((f"log of {log.stem}", "\n".join(lines)))
    return report
