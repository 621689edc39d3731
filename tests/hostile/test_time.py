"""Items 33-37: times that do not exist, are ambiguous, far away, or at an edge."""

from datetime import UTC, datetime, timedelta

import orjson

from base.clock import wall_ms
from base.ids import ms_of, uuid7_hex
from tests.fleet.fleet import Fleet
from tests.hostile.siege import Siege

_NO_TIMES = (
    "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T25:00:00Z",
    "2026-06-30T23:59:60Z", "2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00+24:00", "now",
    "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "0000-01-01T00:00:00Z", "infinity", "epoch",
    "-infinity", "99999-01-01T00:00:00Z", "294277-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
    "4713-01-01 BC", "2026-W01-1T00:00:00Z", "\uff12026-01-01T00:00:00Z", "2026-01-01", "", "0",
    "2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00Z\n", "20260101T000000Z",
)  # fmt: skip


def _relations(fleet: Fleet) -> int:
    return int(fleet.sql("SELECT count(*) FROM pg_class")[0][0])


def test_item_33_a_time_without_an_offset_is_refused(siege: Siege) -> None:
    reasons = siege.refused(
        *[siege.item(occurred_at=f"2026-11-01{t}") for t in ("T00:00:00", " 00:00", "T00:00:00.5")]
    )

    assert all("offset" in reason for reason in reasons)


def test_item_34_numbers_and_times_that_do_not_exist_are_refused(siege: Siege) -> None:
    numbers = [0, -1, 1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1.5, True, [], {}]

    reasons = siege.refused(*[siege.item(occurred_at=time) for time in (*_NO_TIMES, *numbers)])

    assert {reason.partition(":")[0] for reason in reasons} == {"occurred_at"}


def test_item_35_a_far_year_is_told_and_never_the_rows(siege: Siege) -> None:
    far = ["0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    ids = siege.accepted(*[siege.item(occurred_at=time) for time in far])
    siege.refused(siege.sale(tracking_id=None, click_id="ffffffffffff7fff8fffffffffffffff"))

    for click_id, told in zip(ids, far, strict=True):
        assert abs(ms_of(click_id) - wall_ms()) < 60_000
        assert siege.row(click_id)["meta"]["occurred_at"] == told


def test_item_36_no_request_makes_a_partition(siege: Siege) -> None:
    before = _relations(siege.fleet)
    now = datetime.now(UTC).replace(microsecond=0)
    days = [*range(-80, 0, 10), -91, 1, 31, 400, -400, 4_000, -4_000]
    times = {day: (now + timedelta(days=day)).isoformat() for day in days}
    ids = siege.accepted(*[siege.item(occurred_at=time) for time in times.values()])
    for turn in range(10):
        years = [f"{1 + (turn * 1_000 + n) % 9_998:04d}-06-15T12:00:00Z" for n in range(1_000)]
        body = orjson.dumps([siege.item(occurred_at=year) for year in years])
        assert siege.post(body).status == 202
    siege.refused(siege.sale(tracking_id=None, click_id="zz"))
    siege.fleet.until_drained()

    assert _relations(siege.fleet) == before
    for day, click_id in zip(days, ids, strict=True):
        is_kept = -90 <= day < 1
        assert (abs(ms_of(click_id) - wall_ms() - day * 86_400_000) < 60_000) == is_kept
        assert ("occurred_at" in siege.row(click_id)["meta"]) != is_kept


def test_item_37_the_last_moment_of_a_month_stays_in_it(siege: Siege) -> None:
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = first - timedelta(microseconds=1)
    abroad = last.astimezone().isoformat()

    ids = siege.accepted(siege.item(occurred_at=last.isoformat()), siege.item(occurred_at=abroad))
    siege.fleet.until_drained()

    rows = siege.fleet.sql(
        "SELECT tableoid::regclass::text, created_at FROM analytics_events WHERE user_id = %s"
        " AND metadata->>'click_id' = ANY(%s)", siege.user_id, ids,
    )  # fmt: skip
    assert [row[0] for row in rows] == [f"analytics_events_{last:%Y_%m}"] * 2
    assert all(row[1] < first for row in rows)
    assert uuid7_hex(0) < ids[0] < uuid7_hex(int(first.timestamp() * 1000))
