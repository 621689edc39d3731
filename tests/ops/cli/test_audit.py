"""`hopfleet audit`, and what `doctor` says of it."""

from base.clock import wall_ms
from db import audit
from tests.conftest import Connect
from tests.ops.cli.conftest import Run

FIVE_MINUTES_AGO = wall_ms() // 60_000 - 5


def tell(connect: Connect, acked: int, stored: int) -> None:
    """A door that acked so many clicks five minutes ago, and a worker that stored so many."""
    session = connect()
    for table in ("door_counts", "event_outcomes", "host_spools"):
        session.execute(f"DELETE FROM {table}")
    audit.publish(session, "door-1", [(FIVE_MINUTES_AGO, "r", acked, acked, 0, 2)])
    audit.record(session, {(FIVE_MINUTES_AGO, "r", "stored"): stored})


def test_a_balanced_hour_is_said_to_be_balanced(
    run: Run, connect: Connect, journal_url: str
) -> None:
    tell(connect, 7, 7)

    said, for_people = run("audit", "--json"), run("audit", "--minutes")

    (line,) = said.json["doors"]
    assert (said.code, said.json["ok"], line["acked"], line["stored"]) == (0, True, 7, 7)
    assert (line["dropped"], line["missing"]) == (2, 0)
    assert len(said.json["minutes"]) == 1
    assert "balanced" in for_people.out


def test_missing_events_fail_the_audit_and_the_doctor(
    run: Run, connect: Connect, journal_url: str, redis_url: str
) -> None:
    tell(connect, 7, 4)

    said, for_people, doctor = run("audit", "--json"), run("audit"), run("doctor", "--json")

    assert (said.code, said.json["ok"], said.json["missing"]) == (1, False, 3)
    assert (for_people.code, "3 acknowledged events are MISSING" in for_people.out) == (1, True)
    found = [one for one in doctor.json["checks"] if one["check"] == "audit"]
    assert [one["status"] for one in found] == ["broken"]
    assert "hopfleet audit --since 24h --minutes" in found[0]["says"]


def test_what_is_there_untold_is_a_surplus_and_no_failure(
    run: Run, connect: Connect, journal_url: str
) -> None:
    tell(connect, 4, 7)

    said = run("audit", "--json")

    assert (said.code, said.json["ok"], said.json["surplus"]) == (0, True, 3)


def test_only_closed_minutes_since_the_time_given_count(
    run: Run, connect: Connect, journal_url: str
) -> None:
    tell(connect, 7, 4)

    said = run("audit", "--since", "3m", "--json")

    assert (said.code, said.json["minutes"]) == (0, [])
    assert "Nothing came in" in run("audit", "--since", "3m").err


def test_a_time_nobody_can_read_or_has_seen_is_wrong_use(run: Run) -> None:
    unread, ahead = run("audit", "--since", "yesterday"), run("audit", "--since", "2999-01-01")

    assert (unread.code, "say 30m, 24h, 7d" in unread.err) == (2, True)
    assert (ahead.code, "lies ahead" in ahead.err) == (2, True)


def test_another_hosts_full_spool_is_named_and_raises_no_alarm(
    run: Run, connect: Connect, journal_url: str
) -> None:
    tell(connect, 7, 4)
    session = connect()
    audit.publish_spool(session, "far:/spool", 4096, None)
    session.execute("UPDATE host_spools SET seen_at = now() - interval '1 hour'")

    said, for_people = run("audit", "--json"), run("audit")

    assert (said.code, said.json["doors"][0]["elsewhere"]) == (0, 3)
    assert "far:/spool" in for_people.out
