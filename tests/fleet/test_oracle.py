"""The oracle is worth what it notices: rows lost, doubled, renamed, or made up."""

from tests.fleet.fleet import Fleet
from tests.fleet.oracle import judge
from tests.fleet.program import until
from tests.fleet.traffic import Traffic, tenants


def test_the_oracle_notices_whatever_is_not_as_promised(fleet: Fleet) -> None:
    owners = tenants(fleet)
    with Traffic(fleet.port, owners, connections=8) as traffic:
        until(lambda: len(traffic.told) > 200, 30, "all kinds of work were done")
    fleet.until_drained()
    before = judge(fleet, traffic)
    clicks = sorted(mark for mark in traffic.told if mark.startswith("click-"))
    gone, doubled, renamed, retyped = clicks[:4]

    one = "WHERE user_id = ANY(%s) AND metadata->>'sub1' = %s"
    users = [owner.user_id for owner in owners]
    fleet.sql(f"DELETE FROM analytics_events {one}", users, gone)
    copied = "user_id, campaign_id, event_type, created_at, metadata"
    fleet.sql(
        f"INSERT INTO analytics_events ({copied}) SELECT {copied} FROM analytics_events {one}",
        users, doubled,
    )  # fmt: skip
    edits = {
        renamed: """metadata = jsonb_set(metadata, '{click_id}', '"0"')""",
        retyped: "event_type = 'view'",
        clicks[4]: """metadata = jsonb_set(metadata, '{sub1}', '"click-999999"')""",
    }
    for mark, edit in edits.items():
        fleet.sql(f"UPDATE analytics_events SET {edit} {one}", users, mark)
    after = judge(fleet, traffic)

    assert before.sound, before
    assert (after.lost, after.twice) == ({gone, clicks[4]}, {doubled})
    assert after.strange >= {renamed, retyped}
    assert after.extra == {"click-999999"}
