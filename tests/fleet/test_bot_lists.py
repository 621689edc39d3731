"""A rule of an operator acts in a running fleet."""

from typing import Any

from base.clock import steady
from tests.fleet.fleet import Fleet
from tests.fleet.program import until

_CHROME = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Acme"}


def _bot_of_a_click(fleet: Fleet, campaign: Any) -> str | None:
    """The `bot` of a click made now, once it is stored."""
    answer = fleet.ask("GET", f"/r/{campaign['tracking_id']}", _CHROME)
    fleet.until_drained()
    ((found,),) = fleet.sql(
        "SELECT metadata->>'bot' FROM analytics_events WHERE user_id = %s"
        " AND metadata->>'click_id' = %s", campaign["user_id"], answer.click_id,
    )  # fmt: skip
    return None if found is None else str(found)


def test_a_rule_is_heeded_by_running_workers(fleet: Fleet) -> None:
    campaign = fleet.campaign()
    before = _bot_of_a_click(fleet, campaign)

    fleet.hopfleet("bots", "add", "--agent", "acme", "--user", str(campaign["user_id"]))
    since = steady()
    until(lambda: _bot_of_a_click(fleet, campaign) == "own_list", 10, "the rule acts")

    assert before is None
    assert steady() - since < 5  # two seconds are promised; the rest is for noisy cores
