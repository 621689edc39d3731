"""`hopfleet seed`: events that look real, and their removal."""

from db import users
from tests import make
from tests.conftest import Connect
from tests.ops.cli.conftest import Run


def test_seeded_events_look_real_and_go_again(run: Run, connect: Connect) -> None:
    session = connect()
    stays = make.user(session)["id"]

    made = run(
        *("seed", "--users", "2", "--campaigns", "5", "--events", "6000", "--days", "100"),
        "--json",
    )

    assert made.json == {"users": 2, "campaigns": 5, "events": 6_000}
    row = session.execute(
        "SELECT count(*), count(*) FILTER (WHERE event_type = 'click') / count(*)::float,"
        " count(*) FILTER (WHERE revenue IS NOT NULL), max(created_at) <= now(),"
        " min(created_at) < now() - interval '80 days',"
        " min(created_at) > now() - interval '102 days',"
        " count(*) FILTER (WHERE metadata ? 'bot'), count(*) FILTER (WHERE metadata ? 'device')"
        " FROM analytics_events"
    ).fetchone()
    assert row is not None
    assert (row[0], row[3], row[4], row[5], row[7]) == (6_000, True, True, True, 6_000)
    assert 0.6 < row[1] < 0.8
    assert row[2] > 0
    assert row[6] > 0
    by_campaign = [
        line[0]
        for line in session.execute(
            "SELECT count(*) FROM analytics_events GROUP BY campaign_id ORDER BY 1 DESC"
        )
    ]
    assert by_campaign[0] > 3 * by_campaign[-1]

    removed = run("seed", "--remove", "--yes", "--json")

    assert sum(one["events"] for one in removed.json["deleted"]) == 6_000
    assert [user.id for user in users.page(session, 10)] == [stays]


def test_people_are_told_how_to_remove_it(run: Run) -> None:
    assert "hopfleet seed --remove" in run("seed", "--events", "0").err
    assert run("seed", "--remove", "--yes").code == 0
    assert "Nothing here" in run("seed", "--remove").err
    assert run("seed", "--days", "0").code == 2
