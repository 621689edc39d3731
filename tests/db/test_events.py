"""Events: written by COPY, found by the moment in their id, purged in chunks."""

from decimal import Decimal

import pytest
from psycopg import errors

from base.clock import wall_ms
from base.ids import time_of
from db import events
from db.connection import Tx
from tests import make


def _texts(user_id: object, **columns: str | None) -> events.Texts:
    return (
        str(user_id),
        columns.get("campaign_id"),
        columns.get("event_type") or "click",
        columns.get("source"),
        columns.get("metadata"),
        columns.get("revenue"),
        columns.get("created_at") or time_of(make.batch_id()).isoformat(),
    )


def test_rows_come_back_as_they_were_copied(tx: Tx) -> None:
    campaign = make.campaign(tx)
    nasty = 'tab\t newline\n backslash\\ quote" \\N'

    copied = events.copy(
        tx,
        [
            _texts(campaign["user_id"]),
            _texts(
                campaign["user_id"],
                campaign_id=str(campaign["id"]),
                event_type="conversion",
                source=nasty,
                metadata='{"sub1": "\\\\N\\t\\n"}',
                revenue="12.50",
            ),
        ],
    )

    plain, full = events.tail(tx)
    assert copied == 2
    assert (plain.source, plain.metadata, plain.revenue) == (None, None, None)
    assert (full.source, full.metadata) == (nasty, {"sub1": "\\N\t\n"})
    assert (full.campaign_id, full.revenue) == (campaign["id"], Decimal("12.50"))


def test_a_month_without_partition_refuses_the_copy(tx: Tx) -> None:
    user = make.user(tx)["id"]

    with pytest.raises(errors.CheckViolation, match="no partition"):
        events.copy(tx, [_texts(user, created_at="1999-01-01 00:00:00+00")])


def test_the_tail_goes_on_after_an_id_in_the_order_of_storing(tx: Tx) -> None:
    user = make.user(tx)["id"]
    other = make.user(tx)["id"]
    # The month before comes later here: order is that of storing, not of happening.
    stored = [
        make.event(tx, user, created_at=at)["id"]
        for at in (time_of(make.batch_id()), time_of(make.batch_id(wall_ms() - 40 * 86_400_000)))
    ]
    make.event(tx, other)

    assert [row.id for row in events.tail(tx, user_id=user)] == stored
    assert [row.id for row in events.tail(tx, user_id=user, limit=1)] == stored[1:]
    assert [row.id for row in events.tail(tx, stored[0], user_id=user)] == stored[1:]
    assert len(events.tail(tx, stored[0])) == 2


def test_a_click_is_found_by_its_id_and_only_for_its_owner(tx: Tx) -> None:
    campaign = make.campaign(tx)
    click, bare, unknown = make.batch_id(), make.batch_id(), make.batch_id()
    for click_id, campaign_id in ((click, campaign["id"]), (bare, None)):
        make.event(
            tx,
            campaign["user_id"],
            campaign_id=campaign_id,
            metadata={"click_id": click_id},
            created_at=time_of(click_id),
        )
    stranger = str(make.user(tx)["id"])

    wanted = [click, bare, unknown]
    assert events.find_click(tx, str(campaign["user_id"]), wanted) == {click: str(campaign["id"])}
    assert events.find_click(tx, stranger, wanted) == {}
    assert events.find_click(tx, stranger, []) == {}


def test_a_user_is_purged_in_chunks_with_what_others_stored_for_its_campaigns(tx: Tx) -> None:
    campaign = make.campaign(tx)
    user, other = campaign["user_id"], make.user(tx)["id"]
    for _ in range(3):
        make.event(tx, user)
    make.event(tx, other, campaign_id=campaign["id"])  # from before the campaign changed hands
    kept = make.event(tx, other)["id"]
    make.event(tx, user, created_at=time_of(make.batch_id(wall_ms() - 40 * 86_400_000)))

    gone = []
    while chunk := events.purge_chunk(tx, "user", user, 2):
        gone.append(chunk)

    assert sum(gone) == 5
    assert max(gone) == 2
    assert [row.id for row in events.tail(tx)] == [kept]


def test_a_campaign_is_purged_alone(tx: Tx) -> None:
    campaign = make.campaign(tx)
    make.event(tx, campaign["user_id"], campaign_id=campaign["id"])
    kept = make.event(tx, campaign["user_id"])["id"]

    assert events.purge_chunk(tx, "campaign", campaign["id"], 10) == 1
    assert events.purge_chunk(tx, "campaign", campaign["id"], 10) == 0
    assert [row.id for row in events.tail(tx)] == [kept]


def test_an_amount_that_is_no_number_is_refused_whoever_writes_it(tx: Tx) -> None:
    user = make.user(tx)["id"]

    with pytest.raises(errors.CheckViolation, match="analytics_events_revenue_check"):
        tx.execute(
            "INSERT INTO analytics_events (user_id, event_type, revenue)"
            " VALUES (%s, 'conversion', 'NaN')",
            (user,),
        )
