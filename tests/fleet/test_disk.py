"""PostgreSQL's disk is full for a while: what was acked waits, and is stored when there is room."""

from collections.abc import Iterator

import pytest

from tests.fleet.cramped import DISK, Cramped
from tests.fleet.oracle import judge
from tests.fleet.rounds import Report, suffer
from tests.fleet.traffic import Traffic, tenants


@pytest.fixture
def fleet() -> Iterator[Cramped]:
    """A fleet whose PostgreSQL has a small disk of its own; skips where one cannot mount it."""
    fleet = Cramped()
    yield fleet
    fleet.end()


@pytest.mark.parametrize(
    "times", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_a_full_disk_loses_nothing_and_heals_when_there_is_room(
    fleet: Cramped, times: int, reports: list[Report]
) -> None:
    (fault,) = DISK

    with Traffic(fleet.port, tenants(fleet)) as traffic:
        seconds = fault.seconds if times > 1 else fault.short_seconds
        rounds = [suffer(fleet, fault, traffic, seconds) for _ in range(times)]
    fleet.until_drained(120)

    verdict = judge(fleet, traffic)
    if times > 1:
        lost, twice = len(verdict.lost), len(verdict.twice)
        reports.append(Report(fault.name, rounds, verdict.acked, lost, twice))
    assert verdict.sound, verdict
