"""A network's reports from the door to the books, through a real fleet."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from base.clock import now
from tests.fleet.fleet import Fleet
from tests.fleet.program import until


def test_a_payment_goes_through_all_its_states_and_into_dollars(
    fleet: Fleet, tmp_path: Path
) -> None:
    rates = tmp_path / "eurofxref.csv"
    rates.write_text(f"Date,USD,JPY\n{now():%Y-%m-%d},1.2500,180\n")
    fleet.hopfleet("rates", "import", str(rates))
    campaign = fleet.campaign()
    user = campaign["user_id"]
    made = orjson.loads(
        fleet.hopfleet("integrations", "add", "affise", "--user", str(user), "--json")
    )
    click = fleet.click(campaign["tracking_id"]).click_id

    def report(status: str, amount: str = "20.00") -> None:
        query = f"sub1={click}&transactionid=7&status={status}&sum={amount}&currency=EUR"
        assert fleet.ask("GET", f"/postback/{made['key']}?{query}").status == 200

    def books() -> list[tuple[Any, ...]]:
        fleet.until_drained()
        return fleet.sql(
            "SELECT event_type, revenue, campaign_id, metadata FROM analytics_events"
            " WHERE user_id = %s AND event_type <> 'click' ORDER BY created_at", user,
        )  # fmt: skip

    report("2")
    until(lambda: fleet.sql("SELECT id FROM receipts WHERE user_id = %s", user), 15, "it is known")
    pending = books()
    report("1")
    until(books, 15, "it counts")
    report("1")
    report("3")
    until(lambda: len(books()) > 1, 15, "it is taken back")

    sale, back = books()
    assert pending == []
    assert sale[:3] == ("conversion", Decimal("25.00"), campaign["id"])
    assert (sale[3]["amount"], sale[3]["currency"], sale[3]["rate"]) == ("20.00", "EUR", "1.25")
    assert sale[3]["rate_date"] == f"{now():%Y-%m-%d}"
    assert (back[0], back[1], back[2]) == ("refund", Decimal("-25.00"), campaign["id"])
