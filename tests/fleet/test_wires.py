"""Bad networks and strange stores while all kinds of work are in flight: acked is stored, once."""

import pytest

from tests.fleet.faults import Fault
from tests.fleet.oracle import judge
from tests.fleet.rounds import Report, suffer
from tests.fleet.store_faults import BROKER, JOURNAL, SPOOL, STALLED
from tests.fleet.traffic import Traffic, tenants
from tests.fleet.wire_faults import AWAY, CUTS, REPLIES, SILENCES, SLOW
from tests.fleet.wired import Wired

ROUNDS = 20


def _few(faults: tuple[Fault, ...], *words: str) -> tuple[Fault, ...]:
    """Those whose name has one of these words: the others are for the long form."""
    return tuple(fault for fault in faults if any(word in fault.name for word in words))


@pytest.mark.parametrize(
    "faults",
    [
        REPLIES,
        _few(SILENCES, "XADD", "COMMIT"),
        CUTS,
        _few(AWAY, "door-", "postgres"),
        _few(SLOW, "door-", "postgres"),
        JOURNAL,
        BROKER,
        SPOOL,
    ],
    ids=["replies", "silences", "cuts", "away", "slow", "journal", "broker", "spool"],
)
def test_nothing_acked_is_lost_or_stored_twice(wired: Wired, faults: tuple[Fault, ...]) -> None:
    _skip_without_disk(wired, faults)
    with Traffic(wired.port, tenants(wired)) as traffic:
        for fault in faults:
            suffer(wired, fault, traffic, fault.short_seconds)
    wired.until_drained(60)

    verdict = judge(wired, traffic)
    assert verdict.acked > 100
    assert verdict.sound, verdict


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "fault",
    REPLIES + SILENCES + CUTS + AWAY + SLOW + JOURNAL + STALLED + BROKER + SPOOL,
    ids=lambda fault: fault.name,
)
def test_nothing_is_lost_or_stored_twice_in_twenty_rounds(
    wired: Wired, fault: Fault, reports: list[Report]
) -> None:
    _skip_without_disk(wired, (fault,))
    with Traffic(wired.port, tenants(wired)) as traffic:
        rounds = [suffer(wired, fault, traffic, fault.seconds) for _ in range(ROUNDS)]
    wired.until_drained(120)

    verdict = judge(wired, traffic)
    reports.append(Report(fault.name, rounds, verdict.acked, len(verdict.lost), len(verdict.twice)))
    assert verdict.sound, verdict


def _skip_without_disk(wired: Wired, faults: tuple[Fault, ...]) -> None:
    if faults == SPOOL and not wired.has_spool_disk:
        pytest.skip("only root can give the spool a disk of its own")
