"""One account's flood does not hold up another's clicks."""

import pytest

from base.clock import steady
from ops.bench.fairness import Fairness, measure
from tests.fleet.fleet import Fleet
from tests.fleet.program import until
from tests.fleet.visitors import Visitors, clicks

MOST_SECONDS = 2


def test_a_click_becomes_a_row_in_time_beside_a_flood(fleet: Fleet) -> None:
    flooded, other = fleet.campaign(), fleet.campaign()
    fleet.click(other["tracking_id"])
    waits = []

    with Visitors(fleet.port, clicks(flooded["tracking_id"]), connections=64) as visitors:
        until(lambda: len(visitors.acked) > 1_000, 20, "the flood has begun")
        for number in range(8):
            began = steady()
            fleet.click(other["tracking_id"])
            until(lambda: len(fleet.stored(other["user_id"])) == number + 2, 20, "it is a row")  # noqa: B023
            waits.append(steady() - began)
    fleet.until_drained()

    assert max(waits) < MOST_SECONDS
    assert sorted(fleet.stored(flooded["user_id"])) == sorted(visitors.acked)


@pytest.mark.long
@pytest.mark.parametrize("backlog_seconds", [0, 50])
def test_ten_thousand_clicks_a_second_hold_up_no_other_account(backlog_seconds: float) -> None:
    figures = measure(Fairness(rate=10_000, seconds=15, backlog_seconds=backlog_seconds), print)

    assert figures["beside_max_ms"] < MOST_SECONDS * 1000
    assert figures["rows_at_the_end"] >= figures["flood_acked"]
