"""Under `hopfleet up` whatever is killed works again within ten seconds, by itself."""

from collections.abc import Iterator

import pytest

from tests.fleet.faults import KILLS
from tests.fleet.oracle import judge
from tests.fleet.rounds import Report, Round, suffer
from tests.fleet.supervised import Supervised
from tests.fleet.traffic import Traffic, tenants


@pytest.fixture
def fleet() -> Iterator[Supervised]:
    """Everything, started by one command."""
    fleet = Supervised()
    yield fleet
    fleet.end()


@pytest.mark.parametrize(
    "times", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_what_is_killed_under_up_works_again_within_ten_seconds(
    fleet: Supervised, times: int, reports: list[Report]
) -> None:
    took: dict[str, list[Round]] = {fault.name: [] for fault in KILLS}

    with Traffic(fleet.port, tenants(fleet)) as traffic:
        for _ in range(times):
            for fault in KILLS:
                fleet.settle(fault.name.split()[-1])
                took[fault.name].append(suffer(fleet, fault, traffic, 0))
    fleet.until_drained(60)

    verdict = judge(fleet, traffic)
    reports.extend(Report(f"up: {name}", rounds, 0, 0, 0) for name, rounds in took.items())
    assert verdict.sound, verdict
