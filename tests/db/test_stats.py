"""Statistics of a campaign: what conditions see is what people did, in the last week only."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from base.clock import wall_ms
from db import stats
from db.connection import Tx
from tests import make
from tests.db.test_attribution_plan import Recording, carried_out, explained, filled

HOUR = timedelta(hours=1)


def _now() -> datetime:
    return datetime.fromtimestamp(wall_ms() / 1000, UTC)


def _told(tx: Tx, campaign: make.Made, kind: str, ago: timedelta, **columns: Any) -> None:
    about = {"campaign_id": campaign["id"], "event_type": kind, "created_at": _now() - ago}
    make.event(tx, campaign["user_id"], **about, **columns)


def test_each_span_counts_its_own_and_neither_bots_nor_repeats(tx: Tx) -> None:
    campaign = make.campaign(tx)
    for ago in (HOUR / 2, 5 * HOUR, 30 * HOUR, 24 * 8 * HOUR):
        _told(tx, campaign, "click", ago)
    _told(tx, campaign, "click", HOUR / 2, metadata={"bot": "crawler"})
    _told(tx, campaign, "conversion", HOUR / 2, metadata={"duplicate_of": "x"}, revenue=9)
    _told(tx, campaign, "conversion", 2 * HOUR, revenue=Decimal("30.50"))
    _told(tx, campaign, "conversion", 26 * HOUR, revenue=Decimal(10))
    _told(tx, campaign, "rebill", 3 * HOUR, revenue=Decimal(5))
    _told(tx, campaign, "refund", 27 * HOUR, revenue=Decimal(-10))
    _told(tx, make.campaign(tx, user_id=campaign["user_id"]), "click", HOUR / 2)

    found = stats.of_campaign(tx, campaign["user_id"], campaign["id"], _now())

    assert found["hour"] == {
        "clicks": 1, "views": 0, "conversions": 0, "rebills": 0, "refunds": 0, "revenue": 0.0,
        "refunded": 0.0, "conversion_rate": 0.0, "refund_rate": 0.0, "epc": 0.0,
    }  # fmt: skip
    assert found["day"] == found["hour"] | {
        "clicks": 2, "conversions": 1, "rebills": 1, "revenue": 35.5,
        "conversion_rate": 0.5, "epc": 17.75,
    }  # fmt: skip
    assert found["week"] == found["day"] | {
        "clicks": 3, "conversions": 2, "refunds": 1, "refunded": 10.0,
        "conversion_rate": 2 / 3, "refund_rate": 0.5, "epc": 35.5 / 3,
    }  # fmt: skip
    assert found["hours_since"] == {
        "click": 0.5, "view": 168.0, "conversion": 2.0, "rebill": 3.0, "refund": 27.0,
    }  # fmt: skip


def test_one_statement_reads_one_index_of_the_weeks_partitions(tx: Tx) -> None:
    filled(tx, 100_000)
    campaign = make.campaign(tx)
    _told(tx, campaign, "click", HOUR)
    now = _now()
    months = {f"analytics_events_{at:%Y_%m}" for at in (now, now - timedelta(days=7))}
    tx.cursor_factory = Recording

    stats.of_campaign(tx, campaign["user_id"], campaign["id"], now)

    tx.cursor_factory = psycopg.Cursor
    nodes = [*carried_out(explained(tx, prepared=False)["Plan"])]
    read = {str(node["Relation Name"]) for node in nodes if "Relation Name" in node}
    assert read <= months
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes)
