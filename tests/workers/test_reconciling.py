"""What ClickBank's notifications have lost is counted after all, once, and the rest is listed."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from base.clock import now, wall_ms
from base.ids import uuid7_hex
from base.settings import settings
from db import api_turns, integrations
from db.connection import Tx, transaction
from integrations.clickbank import ClickBank
from journal.streams import Kind
from tests import clickbank_fake, make
from tests import notifications as told
from tests.conftest import Connect
from tests.workers.items import claimed, item, rows
from workers import clickbank, clickbank_api  # noqa: F401 (takes notifications in)
from workers.clickbank_turns import MOST_A_DAY
from workers.maintenance.reconciling import Report, owe_nightly, reconcile
from workers.outcome import Outcome
from workers.store import store

pytestmark = pytest.mark.usefixtures("journal")

SECRET = "QH7TRAILMAP20260"


def at(days_ago: float = 2) -> str:
    """A moment, as notifications write it."""
    return (now() - timedelta(days=days_ago)).strftime("%Y%m%dT%H%M%S-0000")


class World:
    """A ClickBank account with its fake, and the user who is told of its sales."""

    def __init__(self, session: Tx, fake: clickbank_fake.ClickBank, address: str) -> None:
        self.session, self.fake, self.address = session, fake, address
        self.campaign = make.campaign(session)
        self.user = self.campaign["user_id"]
        self.id = told.connect(session, self.user, SECRET, api_key=clickbank_fake.KEY)[1]
        self.click = uuid7_hex(wall_ms() - 4 * 86_400_000)
        click = item(self.user, self.campaign["id"], id=self.click, door="r")
        with transaction() as tx:
            store(tx, Kind.CLICKS, [claimed(click)], now(), Outcome(Kind.CLICKS))

    def sells(self, receipt: str, start: str = "02", **changes: Any) -> dict[str, Any]:
        """An order that ClickBank has, and nobody has told us of."""
        order = {
            **told.plain(start), "receipt": receipt, "transactionTime": at(),
            "affiliateTrackingParameters": {"extclid": self.click}, "trackingCodes": [], **changes,
        }  # fmt: skip
        self.fake.orders.append(order)
        return order

    def tells(self, order: dict[str, Any]) -> None:
        """A notification of it."""
        body = told.encrypted(orjson.dumps(order), SECRET)
        one = item(self.user, type="ins", door="clickbank", integration=self.id,
                   body=body.decode(), meta={})  # fmt: skip
        with transaction() as tx:
            store(tx, Kind.WEBHOOKS, [claimed(one)], now(), Outcome(Kind.WEBHOOKS))

    def reconcile(self) -> Report:
        with transaction() as tx:
            row = integrations.by_id(tx, [self.id])[self.id]
        with ClickBank(clickbank_fake.KEY, self.address, lambda seconds: None) as client:
            report = reconcile(row, client, now() - timedelta(days=7), now() + timedelta(days=1))
        assert report is not None
        return report

    def paid(self) -> list[tuple[str, Decimal]]:
        return sorted((row["event_type"], row["revenue"]) for row in rows(self.session)
                      if row["event_type"] != "click")  # fmt: skip


@pytest.fixture
def world(connect: Connect) -> Iterator[World]:
    fake = clickbank_fake.ClickBank()
    with fake.serve() as address:
        yield World(connect(), fake, address)


def test_ten_lost_notifications_are_back_and_stay_counted_once(world: World) -> None:
    sold = [world.sells(f"R{n:07}") for n in range(30)]
    for n, order in enumerate(sold):
        if n % 3:
            world.tells(order)

    report, again = world.reconcile(), world.reconcile()
    for order in sold:
        world.tells(order)  # some of them arrive after all

    assert sorted(report.receipts) == [f"R{n:07}" for n in range(0, 30, 3)]
    assert (report.added, again.added, again.differences) == (10, 0, [])
    assert world.paid() == [("conversion", Decimal("41.37"))] * 30
    found = [row for row in rows(world.session) if row["event_type"] != "click"]
    assert {row["campaign_id"] for row in found} == {world.campaign["id"]}
    assert sum("reconciled" in row["metadata"] for row in found) == 10


def test_what_was_noted_once_is_not_noted_each_night(world: World) -> None:
    world.tells(world.sells("R0000001"))

    for _ in range(3):
        world.reconcile()

    assert world.session.execute("SELECT count(*) FROM receipts").fetchone() == (1,)


def test_refunds_in_parts_are_each_found_once(world: World) -> None:
    world.tells(world.sells("R0000001"))
    back: dict[str, Any] = {"start": "07", "lineItems": [{"accountAmount": "-5.00"}],
                            "totalAccountAmount": "-5.00"}  # fmt: skip
    world.tells(world.sells("R0000001", transactionTime=at(1.9), **back))
    world.sells("R0000001", transactionTime=at(1.8), **back)
    world.sells("R0000001", start="08", transactionTime=at(1.7), vendor="tidepilot",
                lineItems=[{"accountAmount": "-7.00"}], totalAccountAmount="-7.00")  # fmt: skip

    added = [world.reconcile().added for _ in range(2)]

    assert added == [2, 0]
    assert sum(amount for _, amount in world.paid()) == Decimal("41.37") - 17


def test_what_a_postback_told_gets_the_networks_word(world: World) -> None:
    world.sells("R0000001")
    heard = item(world.user, type="conversion", amount="40.00", receipt="R0000001",
                 click=world.click, door="postback")  # fmt: skip
    with transaction() as tx:
        store(tx, Kind.CONVERSIONS, [claimed(heard)], now(), Outcome(Kind.CONVERSIONS))

    world.reconcile()
    again = world.reconcile()

    assert world.paid() == [("conversion", Decimal("41.37"))]
    assert (again.added, again.differences) == (0, [])


def test_differences_are_listed_and_nothing_is_changed(world: World) -> None:
    order = world.sells("R0000001")
    world.tells(order)
    order["lineItems"] = [{"accountAmount": "99.00"}]
    world.tells(world.sells("R0000002"))
    world.fake.orders.pop()

    report = world.reconcile()

    assert [tuple(one) for one in report.differences] == [
        ("amount", "R0000001", "conversion", "AFFILIATE", "41.37", "99.00"),
        ("unknown_there", "R0000002", "conversion", "AFFILIATE", "41.37", None),
    ]
    assert sum(amount for _, amount in world.paid()) == Decimal("82.74")


def test_tests_fees_and_cancellations_are_no_payments(world: World) -> None:
    for n, kind in enumerate(("TEST_SALE", "TEST_RFND", "FEE", "CANCEL-REBILL", "ODD")):
        world.sells(f"R{n:07}", transactionType=kind)
    world.sells("R1000000", lineItems=[{"accountAmount": "NaN"}])

    report = world.reconcile()

    assert (report.orders, report.added, report.unreadable) == (6, 0, 1)
    assert world.paid() == []


def test_a_sale_whose_click_may_still_come_waits_for_the_next_run(world: World) -> None:
    world.sells("R0000001", affiliateTrackingParameters={"extclid": uuid7_hex(wall_ms())})

    report = world.reconcile()

    assert (report.added, report.waiting) == (0, 1)
    assert world.paid() == []


# --- each night


@pytest.fixture
def _address(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HOPFLEET_CLICKBANK_API_URL", world.address)
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.usefixtures("_address")
def test_each_account_is_looked_at_once_a_night(world: World) -> None:
    told.connect(world.session, world.user, SECRET)  # one without an API key
    world.sells("R0000001")

    for _ in range(2):
        owe_nightly()
        clickbank_api.run()

    found = world.session.execute("SELECT state, outcome, body FROM webhooks").fetchall()
    assert [(state, outcome) for state, outcome, _ in found] == [("done", "reconciled")]
    assert orjson.loads(found[0][2])["added"] == 1
    assert world.paid() == [("conversion", Decimal("41.37"))]


@pytest.mark.usefixtures("_address")
def test_a_day_that_is_used_up_is_waited_for_longer_than_an_outage(world: World) -> None:
    world.session.execute(
        "INSERT INTO api_budgets (account, hour, used) VALUES (%s, date_trunc('hour', now()), %s)",
        (api_turns.account_of(clickbank_fake.KEY), MOST_A_DAY),
    )
    owe_nightly()

    clickbank_api.run()

    assert world.fake.asked == []
    assert world.session.execute(
        "SELECT state, next_attempt_at > now() + interval '2 hours' FROM webhooks"
    ).fetchall() == [("pending", True)]


@pytest.mark.usefixtures("_address")
def test_a_night_without_clickbank_is_tried_again_and_a_wrong_key_is_a_dead_letter(
    world: World,
) -> None:
    world.fake.failure = (500, b"")
    owe_nightly()
    clickbank_api.run()
    waiting = world.session.execute("SELECT state, last_error FROM webhooks").fetchall()

    world.fake.failure = (400, b"")
    world.session.execute("UPDATE webhooks SET next_attempt_at = now()")
    clickbank_api.run()

    assert waiting == [("pending", "ClickBank answered 500.")]
    assert world.session.execute("SELECT state, reason FROM webhooks").fetchall() == [
        ("dead", "not_reconciled")
    ]
