"""Attribution's question to the big table: one partition, one index, however many events."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from base.clock import wall_ms
from base.ids import time_of
from db import events
from db.connection import Tx
from tests import make

DAY_MS = 86_400_000
SPREAD_DAYS = 85
# The way down an index of ten million, and the rows of one moment; a scan reads thousands.
MOST_BLOCKS = 20

Plan = dict[str, Any]


class Recording(psycopg.Cursor[TupleRow]):
    """A cursor whose session remembers the last statement, as it was handed over."""

    asked: tuple[str, Any]

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Recording":
        """The same, remembered."""
        Recording.asked = (query, params)
        super().execute(query, params, **options)
        return self


def filled(tx: Tx, count: int) -> None:
    """So many clicks of a thousand users, spread over the months that doors write to."""
    tx.execute("SET LOCAL synchronous_commit = off")
    tx.execute(
        "INSERT INTO users (id, email, password_hash)"
        " SELECT md5(n::text)::uuid, n || '@example.com', '-' FROM generate_series(0, 999) AS n"
    )
    tx.execute(
        "INSERT INTO analytics_events (user_id, event_type, source, metadata, created_at)"
        " SELECT md5((n %% 1000)::text)::uuid, 'click', 'news',"
        "  jsonb_build_object('click_id', left(lpad(to_hex(ms), 12, '0') || '7000' || md5(n::text),"
        "   32)), to_timestamp(ms / 1000.0)"
        " FROM (SELECT n, %(newest)s - n * %(step)s / 1000 AS ms"
        "  FROM generate_series(1, %(count)s::bigint) AS n) AS moments",
        {"newest": wall_ms(), "count": count, "step": SPREAD_DAYS * DAY_MS * 1000 // count},
    )
    tx.execute("ANALYZE analytics_events")


def click(tx: Tx, campaign: make.Made, days_ago: int) -> str:
    """A click of that campaign; returns its id."""
    click_id = make.batch_id(wall_ms() - days_ago * DAY_MS)
    make.event(
        tx, campaign["user_id"], campaign_id=campaign["id"],
        metadata={"click_id": click_id}, created_at=time_of(click_id),
    )  # fmt: skip
    return click_id


def explained(tx: Tx, *, prepared: bool) -> Plan:
    """How the last statement was carried out; `prepared`: by a plan that fits any values."""
    query, params = Recording.asked
    told = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    if not prepared:
        row = tx.execute(told + query, params).fetchone()
    else:
        numbers = iter(range(1, 100))
        tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        tx.execute("PREPARE asked AS " + re.sub("%s", lambda _: f"${next(numbers)}", query))
        values = ", ".join(["%s"] * len(params))
        row = (
            psycopg.ClientCursor(tx).execute(f"{told} EXECUTE asked ({values})", params).fetchone()
        )
        tx.execute("DEALLOCATE asked")
    assert row is not None
    found: Plan = row[0][0]
    return found


def carried_out(plan: Plan) -> Iterator[Plan]:
    """Those of a plan's nodes that were."""
    if plan["Actual Loops"]:
        yield plan
        for inner in plan.get("Plans", ()):
            yield from carried_out(inner)


def one_index_of_one_month(tx: Tx, count: int) -> list[Plan]:
    """Looks for a click among so many; returns the plans, after asserting what must be so."""
    filled(tx, count)
    campaign = make.campaign(tx)
    wanted = click(tx, campaign, days_ago=40)
    questions: list[Callable[[], str | None]] = [
        lambda: events.find_clicks(tx, [wanted])[wanted].campaign_id,
        lambda: events.find_click(tx, str(campaign["user_id"]), [wanted])[wanted],
    ]
    plans = []
    for found in questions:
        tx.cursor_factory = Recording
        assert found() == str(campaign["id"])
        tx.cursor_factory = psycopg.Cursor
        plans += [explained(tx, prepared=prepared) for prepared in (False, True)]
    for plan in plans:
        read = [
            node
            for node in carried_out(plan["Plan"])
            if "analytics" in str(node.get("Relation Name", ""))
        ]
        assert [node["Relation Name"] for node in read] == [
            f"analytics_events_{time_of(wanted):%Y_%m}"
        ]
        assert "Index Scan" in read[0]["Node Type"]
        assert "created_at" in read[0]["Index Cond"]
        blocks = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        assert blocks <= MOST_BLOCKS
    return plans


def test_a_click_is_found_in_one_index_of_one_month(tx: Tx) -> None:
    one_index_of_one_month(tx, 200_000)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_click_is_found_so_among_ten_million(tx: Tx, capsys: pytest.CaptureFixture[str]) -> None:
    plans = one_index_of_one_month(tx, 10_000_000)

    for plan in plans:
        with capsys.disabled():
            print(f" planned {plan['Planning Time']} ms, done {plan['Execution Time']} ms", end="")
