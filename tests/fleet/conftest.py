"""One fleet for all tests here and of tests/hostile; after a failure the next gets a new one."""

from collections.abc import Generator, Iterator

import pytest

from tests.fleet.fleet import PROGRAMS, Fleet
from tests.fleet.rounds import HEAD, Report

_failed = pytest.StashKey[bool]()
_reports = pytest.StashKey[list[Report]]()
_LINES = 40


class _Holder:
    """The fleet that stands, if any."""

    fleet: Fleet | None = None

    def end(self) -> None:
        if self.fleet is not None:
            self.fleet.end()
            self.fleet = None


_one = _Holder()  # for all folders that import these fixtures


@pytest.fixture(scope="session")
def _holder() -> Iterator[_Holder]:
    yield _one
    _one.end()


@pytest.fixture
def fleet(_holder: _Holder, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A whole Hopfleet that runs and has nothing to do; what a test kills it starts again."""
    _holder.fleet = _holder.fleet or Fleet()
    yield _holder.fleet
    if request.node.stash.get(_failed, False):
        _holder.end()
        return
    for name, program in _holder.fleet.programs.items():
        assert program.running() == (name in PROGRAMS), f"what has the test left of {name}?"
    _holder.fleet.until_drained()


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
    found = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(found, Fleet):
        item.stash[_failed] = True
        for log in sorted(found.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-_LINES:]
            report.sections.append((f"log of {log.stem}", "\n".join(lines)))
    return report
