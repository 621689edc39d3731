"""Payments that somebody invents, repeats or claims: what the books say afterwards."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson

from tests.fleet.fleet import Answer
from tests.fleet.program import until
from tests.hostile.siege import Siege


class Network:
    """An integration of a besieged tenant, made by the command."""

    def __init__(self, siege: Siege, *words: str) -> None:
        said = siege.fleet.hopfleet(
            "integrations", "add", "postback", "--user", str(siege.user_id), *words, "--json"
        )
        self.siege, self.made = siege, orjson.loads(said)

    def report(self, **told: str) -> Answer:
        """Report by GET."""
        return self.siege.ask("GET", f"/postback/{self.made['key']}?{urlencode(told)}")


def sales(siege: Siege, count: int) -> list[tuple[Any, ...]]:
    """The tenant's payments as (revenue, campaign), once there are so many."""
    found: list[tuple[Any, ...]] = []

    def stored() -> bool:
        found[:] = siege.fleet.sql(
            "SELECT revenue, campaign_id FROM analytics_events"
            " WHERE user_id = %s AND event_type <> 'click' ORDER BY created_at",
            siege.user_id,
        )
        return len(found) >= count

    until(stored, 15, f"{count} payments are stored")
    siege.fleet.until_drained()
    stored()
    return found


def test_a_postback_for_another_users_click_stays_with_the_posters_account(siege: Siege) -> None:
    victim = Siege(siege.fleet)
    click = str(victim.click().click_id)
    until(lambda: bool(siege.fleet.stored(victim.user_id)), 10, "the click is stored")

    answer = Network(siege).report(click_id=click, order_id="A-1", amount="99.00")

    (mine,) = sales(siege, 1)
    assert answer.status == 200
    assert (mine[0], mine[1]) == (Decimal("99.00"), None)
    assert siege.fleet.stored(victim.user_id) == [click]
    victim.lift()


def test_another_tenants_receipt_is_a_receipt_of_ones_own(siege: Siege) -> None:
    victim = Siege(siege.fleet)
    for tenant, amount in ((victim, "40.00"), (siege, "1.00")):
        network = Network(tenant, "--campaign", tenant.name)
        assert network.report(order_id="QX7PLM2E", amount=amount).status == 200
        assert network.report(order_id="QX7PLM2E", amount=amount, type="refund").status == 200

    theirs, mine = sales(victim, 2), sales(siege, 2)
    assert [row[:2] for row in mine] == [
        (Decimal("1.00"), siege.campaign["id"]), (Decimal("-1.00"), siege.campaign["id"]),
    ]  # fmt: skip
    assert [row[0] for row in theirs] == [Decimal("40.00"), Decimal("-40.00")]
    victim.lift()


def test_a_replayed_report_changes_nothing(siege: Siege) -> None:
    network = Network(siege, "--campaign", siege.name)

    said = {network.report(order_id="A-1", amount="12.50").status for _ in range(20)}

    assert said == {200}
    assert [row[0] for row in sales(siege, 1)] == [Decimal("12.50")]


def test_nothing_is_told_of_a_key_and_no_secret_reaches_the_log(siege: Siege) -> None:
    network = Network(siege, "--hmac-secret", "canary-of-hmac", "--allow", "198.51.100.0/24")

    answers = [network.report(order_id="A", signature="00"), network.report(order_id="A")]

    assert {one.status for one in answers} == {403}
    for program in siege.fleet.programs.values():
        log = program.said(0)
        assert "canary-of-hmac" not in log
        assert network.made["key"] not in log
    row = siege.fleet.sql("SELECT * FROM integrations WHERE user_id = %s", siege.user_id)
    assert "canary-of-hmac" not in str(row)
