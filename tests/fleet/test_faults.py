"""Whatever happens to a part while all kinds of work are in flight: acked is stored, once."""

import pytest

from tests.fleet.faults import KILLS, LOCKS, SESSIONS, STOPS, Fault
from tests.fleet.fleet import Fleet
from tests.fleet.oracle import judge
from tests.fleet.rounds import Report, suffer
from tests.fleet.traffic import Traffic, tenants

ROUNDS = 20


# Each kill happens once in test_supervised.py.
@pytest.mark.parametrize("faults", [STOPS, SESSIONS, LOCKS], ids=["stops", "sessions", "locks"])
def test_nothing_acked_is_lost_or_stored_twice(fleet: Fleet, faults: tuple[Fault, ...]) -> None:
    with Traffic(fleet.port, tenants(fleet)) as traffic:
        for fault in faults:
            suffer(fleet, fault, traffic, fault.short_seconds)
    fleet.until_drained(60)

    verdict = judge(fleet, traffic)
    assert verdict.acked > 100
    assert verdict.sound, verdict


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", KILLS + STOPS + SESSIONS + LOCKS, ids=lambda fault: fault.name)
def test_nothing_is_lost_or_stored_twice_in_twenty_rounds(
    fleet: Fleet, fault: Fault, reports: list[Report]
) -> None:
    with Traffic(fleet.port, tenants(fleet)) as traffic:
        rounds = [suffer(fleet, fault, traffic, fault.seconds) for _ in range(ROUNDS)]
    fleet.until_drained(120)

    verdict = judge(fleet, traffic)
    reports.append(Report(fault.name, rounds, verdict.acked, len(verdict.lost), len(verdict.twice)))
    assert verdict.sound, verdict
