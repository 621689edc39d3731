"""The broker may die and come back empty: it holds nudges, never work."""

from tests.fleet.fleet import Fleet
from tests.fleet.program import until

VISIBLE_SECONDS = 3


def test_a_killed_broker_costs_seconds_and_no_event(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    acked = [fleet.click(campaign["tracking_id"]).click_id for _ in range(5)]

    fleet.kill("broker")
    acked += [fleet.click(campaign["tracking_id"]).click_id for _ in range(20)]
    fleet.start("broker")

    took = until(
        lambda: sorted(fleet.stored(campaign["user_id"])) == sorted(map(str, acked)),
        VISIBLE_SECONDS, "every click is visible",
    )  # fmt: skip
    assert took < VISIBLE_SECONDS
    assert fleet.dead(campaign["user_id"]) == []


def test_clicks_after_the_broker_came_back_empty_are_visible_at_once(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    fleet.restart("broker")

    click_id = fleet.click(campaign["tracking_id"]).click_id

    until(lambda: fleet.stored(campaign["user_id"]) == [click_id], VISIBLE_SECONDS, "it is visible")
